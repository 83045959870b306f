"""What every resource of people's API is built on: scoping by construction, permissions by declaration."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Final, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, MethodNotAllowed, PermissionDenied
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.viewsets import GenericViewSet

from collectors.access import Principal, may, principal_of, visible_to
from collectors.api.authentication import actor_of
from collectors.api.errors import NOT_SETTABLE
from collectors.domain.actors import Actor
from collectors.domain.roles import Permission
from collectors.models import Collector

Row = TypeVar("Row", bound=Model)
_MAX_ID_DIGITS: Final = 20


class RefusedOnRow(PermissionDenied):
    """A visible row on which the role is too small."""

    def __init__(self, row: Model) -> None:
        super().__init__()
        self.row = row


class ScopedRelatedField(serializers.PrimaryKeyRelatedField[Any]):
    """Another object by its id, among those that the caller may see: a foreign id is answered like an absent one."""

    default_error_messages = {
        "does_not_exist": "There is no such object.",
        "incorrect_type": "An id is a whole number.",
    }

    def get_queryset(self) -> QuerySet[Any]:
        """Return what the caller may name."""
        queryset = super().get_queryset()
        view = self.context.get("view")
        if queryset is None or not isinstance(view, TenantListViewSet):
            raise TypeError("A scoped field needs a queryset and the context of a scoped view.")
        return visible_to(queryset, view.principal)

    def to_internal_value(self, data: Any) -> Any:
        """Return the object; an id is a whole number, also when a script sends it as a text of digits."""
        if isinstance(data, str) and data.isascii() and data.isdigit() and len(data) < _MAX_ID_DIGITS:
            data = int(data)
        if type(data) is not int:
            self.fail("incorrect_type", data_type=type(data).__name__)
        return super().to_internal_value(data)


class TenantSerializer(serializers.Serializer[Any]):
    """A body whose members are all known: naming one that cannot be set is an error, not something to overlook."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated members. Raises `ValidationError` for members that are read-only or unknown."""
        if isinstance(data, Mapping):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            message = ErrorDetail("This member cannot be set.", code=NOT_SETTABLE)
            refused = {str(name): [message] for name in data if name not in writable}
            if refused:
                raise serializers.ValidationError(refused)
        return super().to_internal_value(data)


class TenantListViewSet(ListModelMixin, GenericViewSet[Row], Generic[Row]):
    """A list whose rows are scoped to the caller.

    `permissions` names, for each action, what it takes on the row (or on the parent, when creating). An action that is not
    named is refused. The order is always the same: not signed in 401, row not visible 404, role on the row 403, body 400.
    """

    permissions: ClassVar[dict[str, Permission]] = {}
    plural: ClassVar[str] = "results"
    lookup_value_regex = "[0-9]{1,19}"

    @cached_property
    def principal(self) -> Principal:
        """Who asks, read once a request."""
        return principal_of(self.request.user)

    @property
    def actor(self) -> Actor:
        """Who acts, for the audit."""
        return actor_of(self.request)

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Refuse, beyond DRF's own checks, what no role of the caller permits anywhere and needs no row to tell."""
        super().initial(request, *args, **kwargs)
        if self.action is None or self.action == "metadata":
            return
        permission = self.permissions.get(self.action)
        if permission is None:
            raise MethodNotAllowed(request.method or "")
        if self.action == "create":
            self.require_anywhere(permission)

    def get_queryset(self) -> QuerySet[Row]:
        """Return the rows that the caller may see."""
        return visible_to(super().get_queryset(), self.principal)

    def get_object(self) -> Row:
        """Return the row of the address. 404 when it is not visible, 403 when the role does not permit the action on it."""
        row = super().get_object()
        self.require(self.permissions[self.action or ""], row)
        return row

    def require(self, permission: Permission, row: Model) -> None:
        """Raise `PermissionDenied` unless the permission holds on the row."""
        if not may(self.principal, permission, row):
            raise RefusedOnRow(row)

    def validated(self, serializer_class: type[serializers.BaseSerializer[Any]], **kwargs: Any) -> dict[str, Any]:
        """Return the body's members as the serializer reads them. Raises `ValidationError`."""
        serializer = serializer_class(data=self.request.data, context=self.get_serializer_context(), **kwargs)
        serializer.is_valid(raise_exception=True)
        members: dict[str, Any] = serializer.validated_data
        return members

    def require_readable_body(self) -> None:
        """Read a body that is optional and says nothing: one that cannot be read is still an error."""
        _ = self.request.data

    def require_anywhere(self, permission: Permission) -> None:
        """Raise `PermissionDenied` unless the permission holds somewhere; asked before a body is read."""
        if not self.principal.holds(permission):
            raise PermissionDenied


class TenantViewSet(RetrieveModelMixin, TenantListViewSet[Row], Generic[Row]):
    """A list whose rows have an address each."""


class CollectorRowsMixin(TenantListViewSet[Row], Generic[Row]):
    """Rows that belong to the collector in the address."""

    def get_queryset(self) -> QuerySet[Row]:
        """Return the rows of that collector. Raises 404 when the caller does not see it."""
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset()
        collector_id = self.kwargs["collector_pk"]
        if not visible_to(Collector.objects.filter(pk=collector_id), self.principal).exists():
            raise Http404
        return super().get_queryset().filter(collector_id=collector_id)
