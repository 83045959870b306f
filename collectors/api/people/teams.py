"""Teams."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.base import ScopedRelatedField, TenantSerializer, TenantViewSet
from collectors.domain import limits
from collectors.domain.roles import Permission
from collectors.models import Organization, Team
from collectors.services import people


class TeamSerializer(TenantSerializer):
    """A team of an organization."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS)
    organization_id = ScopedRelatedField(queryset=Organization.objects.all(), source="organization")
    plans = serializers.BooleanField(required=False, default=False)
    created_at = serializers.DateTimeField(read_only=True)


class TeamChangeSerializer(TenantSerializer):
    """What can be changed of a team."""

    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS)
    plans = serializers.BooleanField(required=False)


class TeamViewSet(TenantViewSet[Team]):
    """Teams the caller may see. An ORG_ADMIN creates, renames and removes them."""

    queryset = Team.objects.all()
    serializer_class = TeamSerializer
    plural = "teams"
    filterset_fields = ["organization_id"]
    search_fields = ["name"]
    ordering_fields = ["id", "name", "created_at"]
    ordering = ["name"]
    permissions = {
        "list": Permission.TEAM_VIEW,
        "retrieve": Permission.TEAM_VIEW,
        "create": Permission.TEAM_MANAGE,
        "partial_update": Permission.TEAM_MANAGE,
        "destroy": Permission.TEAM_MANAGE,
    }

    @extend_schema(responses={201: TeamSerializer})
    def create(self, request: Request) -> Response:
        """Create a team."""
        body = self.validated(TeamSerializer)
        self.require(Permission.TEAM_MANAGE, body["organization"])
        team = people.create_team(**body, actor=self.actor)
        return Response(self.get_serializer(team).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=TeamChangeSerializer, responses=TeamSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename a team, or switch plans."""
        team = self.get_object()
        body = self.validated(TeamChangeSerializer, partial=True)
        if body:
            people.change_team(team=team, **body, actor=self.actor)
        return Response(self.get_serializer(team).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a team that owns nothing."""
        people.delete_team(team=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
