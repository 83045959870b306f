"""People. Accounts are SUPER_ADMIN's; others see who works with them, and nothing of what those do elsewhere."""

from collections import defaultdict
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget

from collectors.access import visible_to
from collectors.admin import consequences, signed_in, undo
from collectors.admin.actions import scoped_action
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import number
from collectors.admin.forms import RefusableForm
from collectors.admin.lists import BoundedList
from collectors.admin.pages.person import person_context
from collectors.admin.site import site
from collectors.domain.actors import Actor
from collectors.domain.roles import Permission
from collectors.models import Membership, User
from collectors.services import people, second_factors
from collectors.services.errors import Conflict, Refused

_ROLES: Final = 3


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
        fields = ["email", "name", "is_superuser"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.pop("password", None)

    def clean_email(self) -> str:
        """Return the address in the spelling in which it is stored and unique."""
        return User.objects.normalize_email(self.cleaned_data["email"])

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), "password"}  # type: ignore[misc] # Django's hook, not in the stubs


class PeopleList(BoundedList):
    """People with those of their roles that may be seen, read for the page alone."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, and the roles of those on it."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        held = visible_to(Membership.objects.filter(user__in=rows), signed_in.principal(request))
        by_user: dict[int, list[Membership]] = defaultdict(list)
        for membership in held.select_related("team", "organization").order_by("pk"):
            by_user[membership.user_id].append(membership)
        for row in rows:
            row.__dict__["visible_roles"] = by_user[row.pk]


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
    change_form_template = "admin/dbpower/person.html"
    list_display = ["email", "name", "roles", "is_active", "is_superuser", "last_login"]
    found_everywhere = True
    search_fields = ["email", "name"]
    list_before_template = "admin/dbpower/invite_button.html"  # type: ignore[assignment] # declared as None
    empty_text = _("People appear here once they have a role. Invite them by their e-mail address.")
    add_words = _("New account")
    actions = ["deactivate", "reactivate", "end_logins", "reset_second_factor"]
    # Deactivating asks first: it is done by a button.
    fields = ["email", "name", "password", "is_superuser"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep people from locking themselves out."""
        return ["is_superuser"] if obj is not None and obj.pk == request.user.pk else []

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the person, then the account's form to whoever may change it."""
        person = self.get_object(request, unquote(object_id))
        extra = dict(extra_context or {})
        if person is not None and self.has_view_permission(request, person):
            extra |= person_context(request, person)
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the list that knows the roles."""
        return PeopleList

    @admin.display(description=_("Roles"))
    def roles(self, user: User) -> SafeString | str:
        """Return the roles that may be seen, the first of them."""
        held: list[Membership] = user.__dict__["visible_roles"]
        rows = ((m.role, m.team or gettext("whole organization"), m.organization) for m in held[:_ROLES])
        more = format_html("<div>+ {}</div>", number(len(held) - _ROLES)) if len(held) > _ROLES else SafeString("")
        return format_html_join("", "<div>{}: {}, {}</div>", rows) + more or pgettext("roles", "none")

    @scoped_action(
        permission=Permission.USER_MANAGE,
        label=_("Deactivate"),
        icon="person_off",
        variant="danger",
        done=_("Deactivated: {names}."),
        offered=lambda user: user.is_active,
        asks=consequences.of_deactivation,
        undone_by="reactivate",
    )
    def deactivate(self, row: Any, actor: Actor) -> Any:
        """Take the account away without removing it."""
        if actor.user_id == row.pk:
            raise Refused(gettext("You cannot deactivate yourself."), code="own_account")
        return people.change_user(user=row, changes={"is_active": False}, actor=actor)

    @scoped_action(
        permission=Permission.USER_MANAGE,
        label=_("Reactivate"),
        icon="person_check",
        done=_("Reactivated: {names}."),
        offered=lambda user: not user.is_active,
    )
    def reactivate(self, row: Any, actor: Actor) -> Any:
        """Give the account back."""
        if row.is_active:
            raise Conflict(gettext("The account is active."), code="active")
        return people.change_user(user=row, changes={"is_active": True}, actor=actor)

    def offer_undo(self, request: HttpRequest, name: str, rows: list[Any]) -> None:  # noqa: ARG002
        """Let the message offer to reactivate whoever was just deactivated, one person at a time."""
        if len(rows) == 1:
            states = {"before": {"is_active": True}, "after": {"is_active": False}}
            undo.offer(request, "account", back=self._address("change", rows[0].pk), pk=rows[0].pk, **states)

    @scoped_action(
        permission=Permission.USER_MANAGE,
        label=_("Sign out everywhere"),
        icon="logout",
        done=_("Signed out: {names}."),
        asks=_(
            "Every login ends at once, and every API token, open invitation and enrolment token that they made is revoked. "
            "They can sign in again with their password. This cannot be undone."
        ),
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
        asks=_(
            "Their authenticator app and recovery codes are good no more: the password alone signs in, or sets up a new second "
            "factor where the organization asks for one. Be sure that it is they who ask. This cannot be undone."
        ),
    )
    def reset_second_factor(self, row: Any, actor: Actor) -> Any:
        """Take the second factor of somebody away who lost it."""
        return second_factors.reset(user=row, actor=actor)

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
        if not changes:
            return
        before = {name: getattr(obj, name) for name in changes if name != "password"}
        after = {name: changes[name] for name in before}
        people.change_user(user=obj, changes=changes, actor=signed_in.actor(request))
        if before and "password" not in changes:
            undo.offer(request, "account", back=self._address("change", obj.pk), pk=obj.pk, before=before, after=after)
