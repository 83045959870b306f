"""Organizations."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.base import TenantSerializer, TenantViewSet
from collectors.domain import limits
from collectors.domain.roles import Permission
from collectors.models import Organization
from collectors.services import people


class OrganizationSerializer(TenantSerializer):
    """A tenant."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS)
    created_at = serializers.DateTimeField(read_only=True)


class OrganizationViewSet(TenantViewSet[Organization]):
    """Organizations the caller belongs to. SUPER_ADMIN creates and removes them; an ORG_ADMIN may rename their own."""

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
        organization = people.create_organization(name=body["name"], actor=self.actor)
        return Response(self.get_serializer(organization).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename an organization."""
        organization = self.get_object()
        body = self.validated(OrganizationSerializer, partial=True)
        if "name" in body:
            people.rename_organization(organization=organization, name=body["name"], actor=self.actor)
        return Response(self.get_serializer(organization).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Remove an organization that no longer watches anything."""
        people.delete_organization(organization=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
