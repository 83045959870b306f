"""An agent uploads what it collected."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.agents.view import CollectorView
from collectors.api.authentication import key_refused, presented_key
from collectors.api.parsing import UploadParser
from collectors.domain.reading import Invalid
from collectors.domain.sources import Engine, Source
from collectors.domain.uploads import parse_upload
from collectors.models import Collector
from collectors.services import uploads


class UploadSerializer(serializers.Serializer[Any]):
    """Describes an upload for the schema; docs/wire.md has every member. Uploads are read by `parse_upload`, which is quicker."""

    source = serializers.ChoiceField(choices=[item.value for item in Source], required=False)  # type: ignore[assignment]
    queries = serializers.ListField(child=serializers.DictField(), max_length=5000)


class CursorSerializer(serializers.Serializer[Any]):
    """How far the backend has read a source: of a slow log position and hash, of a cumulative source epoch and sequence."""

    generation = serializers.CharField()
    position = serializers.IntegerField(required=False)
    row_hash = serializers.CharField(required=False, allow_null=True)
    epoch = serializers.IntegerField(required=False)
    seq = serializers.IntegerField(required=False)


class TakenSerializer(serializers.Serializer[Any]):
    """What became of an upload."""

    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    stale = serializers.BooleanField()
    cursor = CursorSerializer(allow_null=True)
    text_wanted = serializers.ListField(child=serializers.CharField())


class BulkView(CollectorView):
    """`POST queries/bulk`. The collector comes from the key."""

    parser_classes = [UploadParser]

    @extend_schema(request=UploadSerializer, responses=TakenSerializer, operation_id="queries_bulk")
    def post(self, request: Request) -> Response:
        """Take an upload whole, or refuse it whole."""
        received_at = timezone.now()
        collector = request.user
        if not isinstance(collector, Collector):
            raise key_refused()
        try:
            upload = parse_upload(request.data, engine=Engine(collector.type))
        except Invalid as error:
            raise serializers.ValidationError(error.errors) from error
        digest = presented_key(request).digest
        taken = uploads.take_upload(collector=collector, key_digest=digest, upload=upload, received_at=received_at)
        return Response(
            {
                "accepted": taken.accepted,
                "duplicates": taken.duplicates,
                "stale": taken.stale,
                "cursor": taken.cursor,
                "text_wanted": taken.text_wanted,
            }
        )
