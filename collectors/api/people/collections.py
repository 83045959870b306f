"""The history of a collector's collections."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from collectors.api.base import CollectorRowsMixin
from collectors.domain.roles import Permission
from collectors.domain.sources import Source
from collectors.models import Collection
from collectors.services import retention


class CollectionSerializer(serializers.Serializer[Collection]):
    """One upload of a slow log, or one snapshot, that was taken."""

    id = serializers.IntegerField()
    collector_id = serializers.IntegerField()
    source: Any = serializers.ChoiceField(choices=[source.value for source in Source])
    read_at = serializers.DateTimeField(
        source="started_at", help_text="When the source was read, by the server's clock."
    )
    received_at = serializers.DateTimeField()
    collection_interval_minutes = serializers.IntegerField(
        source="interval_minutes", help_text="What was wanted of the collector then."
    )
    rows = serializers.IntegerField()
    calls = serializers.IntegerField(
        allow_null=True, help_text="What it added to the numbers; null where counting began, or where nothing was new."
    )
    duplicates = serializers.IntegerField()
    stale = serializers.BooleanField(
        source="is_stale", help_text="It came again, or too late, and added nothing to the numbers."
    )
    took_ms = serializers.IntegerField(help_text="How long the server worked on it.")


class CollectionViewSet(CollectorRowsMixin[Collection]):
    """What a collector the caller may see brought within the last 31 days, newest first."""

    queryset = Collection.objects.all()
    serializer_class = CollectionSerializer
    plural = "collections"
    filterset_fields = ["source"]
    ordering_fields = ["started_at"]
    ordering = ["-started_at", "-id"]
    permissions = {"list": Permission.COLLECTOR_VIEW}

    def get_queryset(self) -> QuerySet[Collection]:
        """Return those that the organization still keeps."""
        return retention.kept(super().get_queryset())
