"""The history of a collector's statuses."""

from rest_framework import serializers

from collectors.api.base import CollectorRowsMixin
from collectors.domain.roles import Permission
from collectors.models import StatusChange


class StatusChangeSerializer(serializers.Serializer[StatusChange]):
    """One flip."""

    id = serializers.IntegerField()
    collector_id = serializers.IntegerField()
    old_status = serializers.CharField()
    new_status = serializers.CharField()
    cause = serializers.CharField()
    detail = serializers.CharField(help_text="What the agent complained of, where an error was the cause.")
    last_heartbeat = serializers.DateTimeField(
        allow_null=True,
        help_text="When the collector had last been heard before; null where it never was, or where that was not kept.",
    )
    changed_at = serializers.DateTimeField()


class StatusChangeViewSet(CollectorRowsMixin[StatusChange]):
    """Flips of a collector the caller may see, newest first."""

    queryset = StatusChange.objects.all()
    serializer_class = StatusChangeSerializer
    plural = "status_changes"
    ordering_fields = ["id"]
    ordering = ["-id"]
    permissions = {"list": Permission.COLLECTOR_VIEW}
