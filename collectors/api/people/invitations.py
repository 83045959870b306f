"""Invitations: roles offered by a link that is good once."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.authentication import actor_of
from collectors.api.base import ScopedRelatedField, TenantSerializer, TenantViewSet
from collectors.api.people.auth import OpenView
from collectors.api.people.users import EmailField
from collectors.domain import limits
from collectors.domain.roles import Permission, Role
from collectors.models import Invitation, Organization, Team
from collectors.services import invitations
from collectors.services.invitations import Invited


class InvitationSerializer(TenantSerializer):
    """An offer of a role."""

    id = serializers.IntegerField(read_only=True)
    email = EmailField(max_length=254)
    organization_id = ScopedRelatedField(queryset=Organization.objects.all(), source="organization")
    team_id = ScopedRelatedField(queryset=Team.objects.all(), source="team", required=False, allow_null=True)
    role = serializers.ChoiceField(choices=[role.value for role in Role])
    created_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    accepted_at = serializers.DateTimeField(read_only=True, allow_null=True)
    revoked_at = serializers.DateTimeField(read_only=True, allow_null=True)


class NewInvitationSerializer(InvitationSerializer):
    """What an invitation is made of."""

    expires_in_days = serializers.IntegerField(
        min_value=1, max_value=limits.MAX_INVITATION_DAYS, default=limits.INVITATION_DAYS, write_only=True
    )


class CreatedInvitationSerializer(InvitationSerializer):
    """A new invitation with its link, shown this once."""

    url = serializers.CharField(read_only=True)


class AcceptanceSerializer(TenantSerializer):
    """The token at the end of the link, and the password of the account, or the first one of a new account."""

    token = serializers.CharField(max_length=200)
    password = serializers.CharField(max_length=4096, write_only=True, trim_whitespace=False)
    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS, required=False, allow_blank=True)


class AcceptedSerializer(serializers.Serializer[Any]):
    """Whose role it is now."""

    email = serializers.CharField()


def link_to(invited: Invited, request: Request) -> str:
    """Return the address that whoever is invited opens."""
    return invited.link(request.build_absolute_uri(reverse("admin:invitation")))


class InvitationViewSet(TenantViewSet[Invitation]):
    """Invitations to the caller's organizations or teams. An ORG_ADMIN makes and revokes them."""

    queryset = Invitation.objects.all()
    serializer_class = InvitationSerializer
    plural = "invitations"
    filterset_fields = ["organization_id", "team_id", "role"]
    search_fields = ["email"]
    ordering_fields = ["id", "expires_at"]
    ordering = ["id"]
    permissions = {
        "list": Permission.MEMBERSHIP_VIEW,
        "retrieve": Permission.MEMBERSHIP_VIEW,
        "create": Permission.MEMBERSHIP_GIVE,
        "destroy": Permission.MEMBERSHIP_MANAGE,
    }

    @extend_schema(request=NewInvitationSerializer, responses={201: CreatedInvitationSerializer})
    def create(self, request: Request) -> Response:
        """Offer a role. The link is in this answer and nowhere else: hand it to the person yourself."""
        body = self.validated(NewInvitationSerializer)
        self.require(Permission.MEMBERSHIP_GIVE, body["organization"])
        invited = invitations.invite(
            organization=body["organization"],
            team=body.get("team"),
            role=Role(body["role"]),
            email=body["email"],
            days=body["expires_in_days"],
            actor=self.actor,
        )
        content = {**self.get_serializer(invited.row).data, "url": link_to(invited, request)}
        return Response(content, status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke an invitation; it stays in the list."""
        invitations.revoke(invitation=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AcceptView(OpenView):
    """Take a role that was offered."""

    @extend_schema(request=AcceptanceSerializer, responses=AcceptedSerializer, operation_id="invitations_accept")
    def post(self, request: Request) -> Response:
        """Accept an invitation. The password is the account's; where there is no account yet, it becomes its first."""
        serializer = AcceptanceSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = invitations.accept(**serializer.validated_data, actor=actor_of(request))
        return Response({"email": user.email})
