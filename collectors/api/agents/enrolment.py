"""A host makes itself a collector, with a token in the place of a key."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.agents.view import AgentView
from collectors.api.authentication import enrolment_refused
from collectors.api.base import TenantSerializer
from collectors.domain import limits
from collectors.services import enrolments
from collectors.services.errors import EnrolmentRefused

_HEX_32 = r"\A[0-9a-f]{32}\Z"


class EnrolmentSerializer(TenantSerializer):
    """The token, a number of the host's own choice for this request, and how the collector is to be called."""

    token = serializers.CharField(max_length=200, write_only=True)
    request_id = serializers.RegexField(_HEX_32)
    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS)


class EnrolledSerializer(serializers.Serializer[Any]):
    """The host's collector."""

    collector_id = serializers.IntegerField()
    type = serializers.CharField()


class FirstKeySerializer(TenantSerializer):
    """The SHA-256 of the key that the host made for its collector."""

    token = serializers.CharField(max_length=200, write_only=True)
    request_id = serializers.RegexField(_HEX_32)
    sha256 = serializers.RegexField(r"\A[0-9a-f]{64}\Z")


class _EnrolmentView(AgentView):
    """Asks for a token in the body, and refuses every one that is not good alike, with 401."""

    authentication_classes: list[type] = []
    permission_classes: list[Any] = []

    def get_authenticate_header(self, request: Request) -> str:
        """Name the scheme, which makes a refusal 401."""
        return "EnrolmentToken"

    def handle_exception(self, exc: Exception) -> Response:
        """Return the answer to what a handler raised."""
        return super().handle_exception(enrolment_refused() if isinstance(exc, EnrolmentRefused) else exc)

    def read(self, serializer_class: type[serializers.BaseSerializer[Any]]) -> dict[str, Any]:
        """Return the body's members. Raises `ValidationError`."""
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        members: dict[str, Any] = serializer.validated_data
        return members


class EnrolView(_EnrolmentView):
    """`POST enrolments`."""

    @extend_schema(request=EnrolmentSerializer, responses=EnrolledSerializer, operation_id="enrol")
    def post(self, request: Request) -> Response:
        """Register the host as a collector without a key yet. The same request again is answered alike and changes nothing."""
        body = self.read(EnrolmentSerializer)
        collector = enrolments.enrol(**body, address=request.META.get("REMOTE_ADDR", ""))
        return Response({"collector_id": collector.pk, "type": collector.type})


class FirstKeyView(_EnrolmentView):
    """`PUT enrolments/key`."""

    @extend_schema(request=FirstKeySerializer, responses=EnrolledSerializer, operation_id="enrol_key")
    def put(self, request: Request) -> Response:
        """Take the hash of the collector's first key. The same again is answered alike and changes nothing."""
        body = self.read(FirstKeySerializer)
        collector = enrolments.take_first_key(
            token=body["token"],
            request_id=body["request_id"],
            digest=body["sha256"],
            address=request.META.get("REMOTE_ADDR", ""),
        )
        return Response({"collector_id": collector.pk, "type": collector.type})
