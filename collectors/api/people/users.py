"""People."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.validators import UniqueValidator

from collectors.api.base import TenantSerializer, TenantViewSet
from collectors.domain import limits
from collectors.domain.roles import Permission
from collectors.models import User
from collectors.services import logins, people


class EmailField(serializers.EmailField):
    """An address in the spelling in which it is stored."""

    def to_internal_value(self, data: Any) -> str:
        """Return the address in lower case."""
        return User.objects.normalize_email(super().to_internal_value(data))


class PersonSerializer(serializers.Serializer[User]):
    """A person. The state of the account is for SUPER_ADMIN alone: it tells of what the person has to do elsewhere."""

    id = serializers.IntegerField()
    email = serializers.CharField()
    name = serializers.CharField()
    is_active = serializers.BooleanField(required=False)
    created_at = serializers.DateTimeField(required=False)

    def to_representation(self, instance: User) -> dict[str, Any]:
        """Return the members that the caller may see."""
        shown = super().to_representation(instance)
        if not self.context["view"].principal.is_superuser:
            del shown["is_active"], shown["created_at"]
        return shown


class UserSerializer(TenantSerializer):
    """An account to be, or what is changed of one."""

    email = EmailField(max_length=254, validators=[UniqueValidator(User.objects.all())])
    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS, required=False, allow_blank=True)
    password = serializers.CharField(max_length=4096, write_only=True, trim_whitespace=False)
    is_active = serializers.BooleanField(required=False)


class OwnPasswordSerializer(TenantSerializer):
    """A new password, and the present one as a proof."""

    current_password = serializers.CharField(max_length=4096, write_only=True, trim_whitespace=False)
    password = serializers.CharField(max_length=4096, write_only=True, trim_whitespace=False)


class UserViewSet(TenantViewSet[User]):
    """People of the caller's organizations or teams. Accounts are SUPER_ADMIN's; one's own password is one's own."""

    queryset = User.objects.all()
    serializer_class = PersonSerializer
    plural = "users"
    search_fields = ["email", "name"]
    ordering_fields = ["id", "email"]
    ordering = ["email"]
    permissions = {
        "list": Permission.USER_VIEW,
        "retrieve": Permission.USER_VIEW,
        "create": Permission.USER_MANAGE,
        "partial_update": Permission.USER_MANAGE,
        "password": Permission.ACCOUNT_OWN,
    }

    @extend_schema(request=UserSerializer, responses={201: PersonSerializer})
    def create(self, request: Request) -> Response:
        """Create an account."""
        body = self.validated(UserSerializer)
        user = people.create_user(
            email=body["email"], password=body["password"], name=body.get("name", ""), actor=self.actor
        )
        return Response(self.get_serializer(user).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=UserSerializer, responses=PersonSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change an account."""
        user = self.get_object()
        body = self.validated(UserSerializer, instance=user, partial=True)
        user = people.change_user(user=user, changes=dict(body), actor=self.actor)
        return Response(self.get_serializer(user).data)

    @extend_schema(request=OwnPasswordSerializer, responses={204: None})
    @action(detail=False, methods=["post"], url_path="me/password")
    def password(self, request: Request) -> Response:
        """Change one's own password. Every login and every personal token of the caller ends, this login too."""
        self.require_anywhere(Permission.ACCOUNT_OWN)
        body = self.validated(OwnPasswordSerializer)
        user = request.user
        present = body["current_password"]
        if not isinstance(user, User) or not logins.check_own_password(user=user, password=present, actor=self.actor):
            raise serializers.ValidationError({"current_password": ["This is not the present password."]})
        people.change_own_password(user=user, password=body["password"], actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
