"""Enrolment tokens: with one of them many hosts register themselves."""

from datetime import timedelta

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.base import ScopedRelatedField, TenantSerializer, TenantViewSet
from collectors.api.labels import RegionField, TagsField
from collectors.domain import limits
from collectors.domain.roles import Permission
from collectors.domain.sources import Engine
from collectors.models import EnrolmentToken, Team
from collectors.services import enrolments


class EnrolmentTokenSerializer(TenantSerializer):
    """A token, of which nothing but its name is known after it was made."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS)
    organization_id = serializers.IntegerField(read_only=True)
    team_id = ScopedRelatedField(queryset=Team.objects.all(), source="team")
    type = serializers.ChoiceField(choices=[engine.value for engine in Engine])
    region = RegionField(
        max_length=limits.MAX_LABEL_CHARACTERS,
        required=False,
        allow_blank=True,
        help_text="The region that the collectors made with the token begin with.",
    )
    tags = TagsField(required=False, help_text="The tags that the collectors made with the token begin with.")
    max_uses = serializers.IntegerField(min_value=1, max_value=limits.MAX_ENROLMENTS)
    uses = serializers.IntegerField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    revoked_at = serializers.DateTimeField(read_only=True, allow_null=True)


class NewEnrolmentTokenSerializer(EnrolmentTokenSerializer):
    """What a token is made of."""

    expires_in_hours = serializers.IntegerField(
        min_value=1, max_value=limits.MAX_ENROLMENT_HOURS, default=limits.ENROLMENT_HOURS, write_only=True
    )


class CreatedEnrolmentTokenSerializer(EnrolmentTokenSerializer):
    """A new token, shown this once."""

    token = serializers.CharField(read_only=True)


class EnrolmentTokenViewSet(TenantViewSet[EnrolmentToken]):
    """Tokens of the caller's teams."""

    queryset = EnrolmentToken.objects.all()
    serializer_class = EnrolmentTokenSerializer
    plural = "enrolment_tokens"
    filterset_fields = ["organization_id", "team_id", "type"]
    search_fields = ["name"]
    ordering_fields = ["id", "expires_at"]
    ordering = ["id"]
    permissions = {
        "list": Permission.COLLECTOR_VIEW,
        "retrieve": Permission.COLLECTOR_VIEW,
        "create": Permission.COLLECTOR_KEY,
        "destroy": Permission.COLLECTOR_MANAGE,
    }

    @extend_schema(request=NewEnrolmentTokenSerializer, responses={201: CreatedEnrolmentTokenSerializer})
    def create(self, request: Request) -> Response:
        """Make a token. It is in this answer and nowhere else."""
        body = self.validated(NewEnrolmentTokenSerializer)
        self.require(Permission.COLLECTOR_KEY, body["team"])
        created = enrolments.create_token(
            team=body["team"],
            name=body["name"],
            engine=Engine(body["type"]),
            max_uses=body["max_uses"],
            lifetime=timedelta(hours=body["expires_in_hours"]),
            region=body.get("region", ""),
            tags=body.get("tags", ()),
            actor=self.actor,
        )
        content = {**self.get_serializer(created.row).data, "token": created.token}
        return Response(content, status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke a token; it stays in the list, and the collectors it made stay too."""
        enrolments.revoke_token(token=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
