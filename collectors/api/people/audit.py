"""The audit."""

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request

from collectors.api.base import TenantViewSet
from collectors.api.filters import IdFilter, TenantFilterSet, TimeFilter
from collectors.domain.roles import Permission
from collectors.models import AuditEntry
from collectors.services import audit_export


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
    position = serializers.IntegerField(allow_null=True)
    seal = serializers.CharField()


class AuditFilter(TenantFilterSet):
    """What the audit can be narrowed by."""

    since = TimeFilter(field_name="created_at", lookup_expr="gte")  # type: ignore[no-untyped-call]
    until = TimeFilter(field_name="created_at", lookup_expr="lt")  # type: ignore[no-untyped-call]
    object_id = IdFilter(field_name="object_id")  # type: ignore[no-untyped-call]
    user_id = IdFilter(field_name="user_id")  # type: ignore[no-untyped-call]
    collector_id = IdFilter(field_name="collector_id")  # type: ignore[no-untyped-call]

    class Meta:
        model = AuditEntry
        fields = ["organization_id", "action", "object_type", "address"]


class AuditViewSet(TenantViewSet[AuditEntry]):
    """What was done in the caller's organizations, newest first."""

    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    plural = "entries"
    filterset_class = AuditFilter
    search_fields = ["actor", "object_label"]
    ordering_fields = ["id"]
    ordering = ["-id"]
    permissions = {
        "list": Permission.AUDIT_VIEW,
        "retrieve": Permission.AUDIT_VIEW,
        "export": Permission.AUDIT_VIEW,
    }

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR}, filters=True)
    @action(detail=False, methods=["get"])
    def export(self, request: Request) -> StreamingHttpResponse:
        """Return the newest 100,000 entries that the filters leave, as CSV."""
        entries = self.filter_queryset(self.get_queryset())
        disposition = f'attachment; filename="{audit_export.FILE_NAME}"'
        return StreamingHttpResponse(
            audit_export.lines(entries),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": disposition},
        )
