"""People. Accounts are SUPER_ADMIN's; others see who works with them, and nothing of what those do elsewhere."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget

from collectors.access import visible_to
from collectors.admin import signed_in
from collectors.admin.actions import scoped_action
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.forms import RefusableForm
from collectors.admin.site import site
from collectors.domain.actors import Actor
from collectors.domain.roles import Permission
from collectors.models import Membership, User
from collectors.services import people, second_factors


class UserForm(RefusableForm):
    """An account. A password can be set here and never read."""

    password = forms.CharField(
        label=_("New password"),
        max_length=4096,
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=_("Empty: no change. A new one ends all logins of the person."),
    )

    class Meta:
        model = User
        fields = ["email", "name", "is_active", "is_superuser"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.pop("password", None)

    def clean_email(self) -> str:
        """Return the address in the spelling in which it is stored and unique."""
        return User.objects.normalize_email(self.cleaned_data["email"])

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), "password"}  # type: ignore[misc] # Django's hook, not in the stubs


@admin.register(User, site=site)
class UserAdmin(ScopedModelAdmin):
    """People of the signed-in person's organizations or teams."""

    view_permission = Permission.USER_VIEW
    add_permission = Permission.USER_MANAGE
    change_permission = Permission.USER_MANAGE
    only_superuser: ClassVar[tuple[str, ...]] = (
        "is_active",
        "is_superuser",
        "last_login",
        "created_at",
        "password",
    )
    form = UserForm
    list_display = ["email", "name", "is_active", "is_superuser", "last_login"]
    found_everywhere = True
    search_fields = ["email", "name"]
    actions = ["end_logins", "reset_second_factor"]
    fields = ["email", "name", "password", "is_active", "is_superuser", "roles", "last_login", "created_at"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Leave out, when adding, what nobody has yet."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            fieldsets[0][1]["fields"] = ["email", "name", "password", "is_superuser"]
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep people from locking themselves out."""
        own = ["is_active", "is_superuser"] if obj is not None and obj.pk == request.user.pk else []
        return ["roles", "last_login", "created_at", *own]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> User | None:
        """Return the person, with those of their roles that the signed-in person may see."""
        user: User | None = super().get_object(request, object_id, from_field)
        if user is not None:
            roles = visible_to(Membership.objects.filter(user=user), signed_in.principal(request))
            user.__dict__["visible_roles"] = list(roles.select_related("organization", "team"))
        return user

    @scoped_action(
        permission=Permission.USER_MANAGE, label=_("Sign out everywhere"), icon="logout", done=_("Signed out: {names}.")
    )
    def end_logins(self, row: Any, actor: Actor) -> Any:
        """End every login and every token of a person."""
        return people.sign_out(user=row, actor=actor)

    @scoped_action(
        permission=Permission.USER_MANAGE,
        label=_("Reset second factor"),
        icon="lock_reset",
        done=_("Without a second factor now: {names}."),
        offered=second_factors.is_on,
    )
    def reset_second_factor(self, row: Any, actor: Actor) -> Any:
        """Take the second factor of somebody away who lost it."""
        return second_factors.reset(user=row, actor=actor)

    @admin.display(description=_("Roles"))
    def roles(self, user: User) -> SafeString | str:
        """Return the roles that may be seen."""
        rows = (
            (m.role, m.team or gettext("whole organization"), m.organization) for m in user.__dict__["visible_roles"]
        )
        return format_html_join("", "<div>{}: {}, {}</div>", rows) or pgettext("roles", "none")

    def create(self, request: HttpRequest, form: Any) -> User:
        """Create an account; without a password only once one is set can it be used."""
        chosen = form.cleaned_data
        return people.create_user(
            email=chosen["email"],
            password=chosen["password"] or None,
            name=chosen["name"],
            is_superuser=chosen.get("is_superuser", False),
            actor=signed_in.actor(request),
        )

    def change(self, request: HttpRequest, obj: User, form: Any) -> None:
        """Change what the form changed."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name in form.cleaned_data}
        if not changes.get("password"):
            changes.pop("password", None)
        if changes:
            people.change_user(user=obj, changes=changes, actor=signed_in.actor(request))
