"""The audit."""

from rest_framework import serializers

from collectors.api.base import TenantViewSet
from collectors.domain.roles import Permission
from collectors.models import AuditEntry


class AuditEntrySerializer(serializers.Serializer[AuditEntry]):
    """Who did what."""

    id = serializers.IntegerField()
    organization_id = serializers.IntegerField(allow_null=True)
    user_id = serializers.IntegerField(allow_null=True)
    collector_id = serializers.IntegerField(allow_null=True)
    actor = serializers.CharField()
    action = serializers.CharField()
    object_type = serializers.CharField()
    object_id = serializers.IntegerField(allow_null=True)
    object_label = serializers.CharField()
    before = serializers.JSONField()
    after = serializers.JSONField()
    address = serializers.CharField()
    created_at = serializers.DateTimeField()


class AuditViewSet(TenantViewSet[AuditEntry]):
    """What was done in the caller's organizations, newest first."""

    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    plural = "entries"
    filterset_fields = ["organization_id", "user_id", "action", "object_type", "object_id"]
    search_fields = ["actor", "object_label"]
    ordering_fields = ["id"]
    ordering = ["-id"]
    permissions = {"list": Permission.AUDIT_VIEW, "retrieve": Permission.AUDIT_VIEW}
