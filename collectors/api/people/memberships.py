"""Memberships: who belongs where, as what."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.access import visible_to
from collectors.api.base import ScopedRelatedField, TenantSerializer, TenantViewSet
from collectors.api.people.invitations import link_to
from collectors.api.people.users import EmailField
from collectors.domain.roles import Permission, Role
from collectors.models import Membership, Organization, Team, User
from collectors.services import invitations, people
from collectors.services.invitations import Invited

_ROLES = [role.value for role in Role]


class MembershipSerializer(TenantSerializer):
    """A role of a person. The person is named by `user_id`, or by `email`, which need not have an account yet."""

    id = serializers.IntegerField(read_only=True)
    user_id = ScopedRelatedField(queryset=User.objects.all(), source="user", required=False)
    email = EmailField(max_length=254, required=False)
    organization_id = ScopedRelatedField(queryset=Organization.objects.all(), source="organization")
    team_id = ScopedRelatedField(queryset=Team.objects.all(), source="team", required=False, allow_null=True)
    role = serializers.ChoiceField(choices=_ROLES)
    created_at = serializers.DateTimeField(read_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require exactly one way of naming the person."""
        if ("user" in attrs) == ("email" in attrs):
            raise serializers.ValidationError({"user_id": ["Name the person by user_id or by email."]})
        return attrs

    def to_representation(self, instance: Membership) -> dict[str, Any]:
        """Return the membership with the person's address."""
        return {
            "id": instance.pk,
            "user_id": instance.user_id,
            "email": instance.user.email,
            "organization_id": instance.organization_id,
            "team_id": instance.team_id,
            "role": instance.role,
            "created_at": serializers.DateTimeField().to_representation(instance.created_at),
            "invitation": None,
        }


def _offered(invited: Invited, request: Request) -> dict[str, Any]:
    """Return an invitation in the shape of a membership that is not there yet."""
    row = invited.row
    return {
        "id": None,
        "user_id": None,
        "email": row.email,
        "organization_id": row.organization_id,
        "team_id": row.team_id,
        "role": row.role,
        "created_at": serializers.DateTimeField().to_representation(row.created_at),
        "invitation": {
            "id": row.pk,
            "url": link_to(invited, request),
            "expires_at": serializers.DateTimeField().to_representation(row.expires_at),
        },
    }


class MembershipChangeSerializer(TenantSerializer):
    """What can be changed of a membership."""

    role = serializers.ChoiceField(choices=_ROLES)


class MembershipViewSet(TenantViewSet[Membership]):
    """Memberships in the caller's organizations or teams. An ORG_ADMIN gives and takes them."""

    queryset = Membership.objects.select_related("user")
    serializer_class = MembershipSerializer
    plural = "memberships"
    filterset_fields = ["organization_id", "team_id", "user_id", "role"]
    search_fields = ["user__email", "user__name"]
    ordering_fields = ["id", "created_at"]
    ordering = ["id"]
    permissions = {
        "list": Permission.MEMBERSHIP_VIEW,
        "retrieve": Permission.MEMBERSHIP_VIEW,
        "create": Permission.MEMBERSHIP_MANAGE,
        "partial_update": Permission.MEMBERSHIP_MANAGE,
        "destroy": Permission.MEMBERSHIP_MANAGE,
    }

    @extend_schema(responses={201: MembershipSerializer})
    def create(self, request: Request) -> Response:
        """Give somebody a role. An address that the caller knows nobody by is invited instead; the answer holds the link, once."""
        body = self.validated(MembershipSerializer)
        self.require(Permission.MEMBERSHIP_MANAGE, body["organization"])
        user, email = body.get("user"), body.get("email", "")
        if email:
            user = visible_to(User.objects.filter(email=email), self.principal).first()
        if user is None and not self.principal.is_superuser:
            invited = invitations.invite(
                organization=body["organization"],
                team=body.get("team"),
                role=Role(body["role"]),
                email=email,
                actor=self.actor,
            )
            content = _offered(invited, request)
            return Response(content, status=status.HTTP_201_CREATED)
        membership = people.add_membership(
            organization=body["organization"],
            team=body.get("team"),
            role=Role(body["role"]),
            user=user,
            email=email,
            actor=self.actor,
        )
        return Response(self.get_serializer(membership).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=MembershipChangeSerializer, responses=MembershipSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a role."""
        membership = self.get_object()
        body = self.validated(MembershipChangeSerializer, partial=True)
        if "role" in body:
            people.change_membership(membership=membership, role=Role(body["role"]), actor=self.actor)
        return Response(self.get_serializer(membership).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Take a role away."""
        people.remove_membership(membership=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
