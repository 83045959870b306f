"""Organizations."""

from typing import Final

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.base import TenantSerializer, TenantViewSet
from collectors.domain import limits
from collectors.domain.roles import Permission
from collectors.models import Organization
from collectors.services import people

# What takes a login to set: a script's token loosens nothing.
_POLICY: Final = {"second_factor_required", "history_retention_days", "slow_query_retention_days"}


class OrganizationSerializer(TenantSerializer):
    """A tenant, and for how many days its numbers and its single executions are kept (null: as this installation keeps them)."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS)
    history_retention_days = serializers.IntegerField(
        min_value=1, max_value=limits.MAX_RETENTION_DAYS, required=False, allow_null=True
    )
    slow_query_retention_days = serializers.IntegerField(
        min_value=1, max_value=limits.MAX_RETENTION_DAYS, required=False, allow_null=True
    )
    second_factor_required = serializers.BooleanField(required=False)
    created_at = serializers.DateTimeField(read_only=True)


class OrganizationViewSet(TenantViewSet[Organization]):
    """Organizations the caller belongs to. SUPER_ADMIN creates and removes them; an ORG_ADMIN may change their own."""

    queryset = Organization.objects.all()
    serializer_class = OrganizationSerializer
    plural = "organizations"
    search_fields = ["name"]
    ordering_fields = ["id", "name", "created_at"]
    ordering = ["name"]
    permissions = {
        "list": Permission.ORGANIZATION_VIEW,
        "retrieve": Permission.ORGANIZATION_VIEW,
        "create": Permission.ORGANIZATION_CREATE,
        "partial_update": Permission.ORGANIZATION_CHANGE,
        "destroy": Permission.ORGANIZATION_DELETE,
    }

    @extend_schema(responses={201: OrganizationSerializer})
    def create(self, request: Request) -> Response:
        """Create an organization."""
        body = self.validated(OrganizationSerializer)
        if _POLICY & body.keys():
            self.require_anywhere(Permission.ORGANIZATION_POLICY)
        organization = people.create_organization(actor=self.actor, **body)
        return Response(self.get_serializer(organization).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the name, the retention, or whether members need a second factor."""
        organization = self.get_object()
        body = self.validated(OrganizationSerializer, partial=True)
        if _POLICY & body.keys():
            self.require(Permission.ORGANIZATION_POLICY, organization)
        if body:
            people.change_organization(organization=organization, actor=self.actor, **body)
        return Response(self.get_serializer(organization).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Remove an organization that no longer watches anything."""
        people.delete_organization(organization=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
