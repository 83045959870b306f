"""An agent made a new key and says its hash."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.agents.view import CollectorView
from collectors.api.authentication import key_refused, presented_key
from collectors.api.base import TenantSerializer
from collectors.models import Collector
from collectors.services import collector_keys


class NewKeySerializer(TenantSerializer):
    """The SHA-256 of a whole key, which itself never leaves the agent's host."""

    sha256 = serializers.RegexField(r"\A[0-9a-f]{64}\Z")


class TakenKeySerializer(serializers.Serializer[Any]):
    """The key is good from now on."""

    status = serializers.CharField()


class KeyView(CollectorView):
    """`PUT collectors/{id}/key`."""

    @extend_schema(request=NewKeySerializer, responses=TakenKeySerializer, operation_id="key")
    def put(self, request: Request, collector_pk: str) -> Response:
        """Take the hash of a new key that was asked for. The same hash again is answered alike and changes nothing."""
        collector = request.user
        if not isinstance(collector, Collector) or str(collector.pk) != collector_pk:
            raise key_refused()
        serializer = NewKeySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        presented = presented_key(request).digest
        collector_keys.take_new_key(
            collector=collector,
            presented=presented,
            digest=serializer.validated_data["sha256"],
            address=request.META.get("REMOTE_ADDR", ""),
        )
        return Response({"status": "ok"})
