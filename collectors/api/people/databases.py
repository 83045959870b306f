"""Monitored databases."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.base import TenantSerializer, TenantViewSet
from collectors.domain import limits
from collectors.domain.roles import Permission
from collectors.models import MonitoredDatabase
from collectors.services import databases


class DatabaseSerializer(TenantSerializer):
    """A server that is watched. It comes into being with its first collector."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS)
    type = serializers.CharField(read_only=True)
    organization_id = serializers.IntegerField(read_only=True)
    team_id = serializers.IntegerField(read_only=True)
    data_until = serializers.DateTimeField(read_only=True, allow_null=True)
    data_fresh = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(read_only=True)

    def get_data_fresh(self, database: MonitoredDatabase) -> bool:
        """Tell whether the numbers are as new as the collection's interval lets one expect."""
        return database.is_data_fresh(timezone.now())


class DatabaseViewSet(TenantViewSet[MonitoredDatabase]):
    """Databases of the caller's teams."""

    queryset = MonitoredDatabase.objects.select_related("lease__holder__heartbeat")
    serializer_class = DatabaseSerializer
    plural = "databases"
    filterset_fields = ["organization_id", "team_id", "type"]
    search_fields = ["name"]
    ordering_fields = ["id", "name", "created_at"]
    ordering = ["name"]
    permissions = {
        "list": Permission.DATABASE_VIEW,
        "retrieve": Permission.DATABASE_VIEW,
        "partial_update": Permission.DATABASE_MANAGE,
        "destroy": Permission.DATABASE_MANAGE,
    }

    @extend_schema(request=DatabaseSerializer, responses=DatabaseSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename a database."""
        database = self.get_object()
        body = self.validated(DatabaseSerializer, partial=True)
        if "name" in body:
            databases.rename_database(database=database, name=body["name"], actor=self.actor)
        return Response(self.get_serializer(database).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a database that no collector watches, and its history."""
        databases.delete_database(database=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
