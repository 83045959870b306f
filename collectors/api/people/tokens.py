"""Personal tokens: everybody's own."""

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.base import TenantSerializer, TenantViewSet
from collectors.domain import limits
from collectors.domain.personal_tokens import TokenScope
from collectors.domain.roles import Permission
from collectors.models import PersonalToken, User
from collectors.services import logins, personal_tokens


class PersonalTokenSerializer(TenantSerializer):
    """A token, of which nothing but its name is known after it was made."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=[scope.value for scope in TokenScope]), allow_empty=False, max_length=20
    )
    created_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    last_used_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_used_address = serializers.CharField(read_only=True)
    revoked_at = serializers.DateTimeField(read_only=True, allow_null=True)


class NewTokenSerializer(PersonalTokenSerializer):
    """What a token is made of."""

    expires_in_days = serializers.IntegerField(
        min_value=1, max_value=limits.MAX_TOKEN_DAYS, default=limits.TOKEN_DAYS, write_only=True
    )

    current_password = serializers.CharField(
        max_length=4096, write_only=True, trim_whitespace=False, help_text="A stolen login makes no token for a year."
    )


class CreatedTokenSerializer(PersonalTokenSerializer):
    """A new token, shown this once."""

    token = serializers.CharField(read_only=True)


class PersonalTokenViewSet(TenantViewSet[PersonalToken]):
    """One's own tokens. Whoever is signed in with a token sees and makes none: a stolen one makes no other."""

    queryset = PersonalToken.objects.all()
    serializer_class = PersonalTokenSerializer
    plural = "tokens"
    search_fields = ["name"]
    ordering_fields = ["id", "expires_at"]
    ordering = ["id"]
    permissions = {
        "list": Permission.ACCOUNT_OWN,
        "retrieve": Permission.ACCOUNT_OWN,
        "create": Permission.ACCOUNT_OWN,
        "destroy": Permission.ACCOUNT_OWN,
    }

    @extend_schema(request=NewTokenSerializer, responses={201: CreatedTokenSerializer})
    def create(self, request: Request) -> Response:
        """Make a token, with the present password. It is in this answer and nowhere else."""
        body = self.validated(NewTokenSerializer)
        user = cast(User, request.user)
        if not logins.check_own_password(user=user, password=body["current_password"], actor=self.actor):
            raise serializers.ValidationError({"current_password": ["This is not the present password."]})
        created = personal_tokens.create_token(
            user=user,
            name=body["name"],
            scopes=[TokenScope(scope) for scope in body["scopes"]],
            days=body["expires_in_days"],
            actor=self.actor,
        )
        content = {**self.get_serializer(created.row).data, "token": created.token}
        return Response(content, status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke a token; it stays in the list."""
        personal_tokens.revoke_token(token=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
