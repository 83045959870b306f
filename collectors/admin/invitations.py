"""Invitations: what was offered to whom, and whether it was taken."""

from enum import StrEnum
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from collectors.admin import consequences
from collectors.admin.actions import Outcome, scoped_action
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import ago, duration
from collectors.admin.filters import ChoicesDropdownFilter, DropdownFilter, ScopedRelatedFilter
from collectors.admin.pages.invitation import invited_page
from collectors.admin.site import site
from collectors.domain.actors import Actor
from collectors.domain.roles import Permission, Role
from collectors.models import Invitation
from collectors.services import invitations


class State(StrEnum):
    """What became of an invitation."""

    OPEN = "open"
    ACCEPTED = "accepted"
    EXPIRED = "expired"
    REVOKED = "revoked"


_COLOURS: Final = {State.OPEN: "info", State.ACCEPTED: "success", State.EXPIRED: "warning", State.REVOKED: "default"}


def state_of(invitation: Invitation) -> State:
    """Return what became of it."""
    if invitation.accepted_at:
        return State.ACCEPTED
    if invitation.revoked_at:
        return State.REVOKED
    return State.OPEN if invitation.expires_at > timezone.now() else State.EXPIRED


def state_words(state: State) -> str:
    """Return the state in the language of whoever looks."""
    return {
        State.OPEN: pgettext("state of an invitation", "open"),
        State.ACCEPTED: pgettext("state of an invitation", "accepted"),
        State.EXPIRED: pgettext("state of an invitation", "expired"),
        State.REVOKED: pgettext("state of an invitation", "revoked"),
    }[state]


def until(invitation: Invitation) -> SafeString | str:
    """Return until when an open one is good, and when any other ended."""
    state = state_of(invitation)
    if state is State.OPEN:
        left = duration(invitation.expires_at - timezone.now())
        return format_html(
            '<span title="{}">{}</span>', _utc(invitation), gettext("expires in %(left)s") % {"left": left}
        )
    return ago(
        {State.ACCEPTED: invitation.accepted_at, State.REVOKED: invitation.revoked_at}.get(state, invitation.expires_at)
    )


def _utc(invitation: Invitation) -> str:
    return f"{invitation.expires_at:%Y-%m-%d %H:%M:%S} UTC"


class StateFilter(DropdownFilter):
    """Open ones, or those that ended in one way or another."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return all states."""
        return [(state.value, state_words(state)) for state in State]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> QuerySet[Invitation]:  # noqa: ARG002
        """Return the invitations of that state."""
        now = timezone.now()
        waiting = queryset.filter(accepted_at=None, revoked_at=None)
        found = {
            State.OPEN.value: waiting.filter(expires_at__gt=now),
            State.EXPIRED.value: waiting.filter(expires_at__lte=now),
            State.ACCEPTED.value: queryset.exclude(accepted_at=None),
            State.REVOKED.value: queryset.filter(accepted_at=None).exclude(revoked_at=None),
        }
        return found.get(self.value() or "", queryset)


@admin.register(Invitation, site=site)
class InvitationAdmin(ScopedModelAdmin):
    """What waits to be accepted, and what became of the others. New ones are made where somebody is invited."""

    view_permission = Permission.MEMBERSHIP_VIEW
    list_display = ["email", "role", "organization", "team", "state", "ends", "created_at"]
    list_filter = [
        StateFilter,
        ("role", ChoicesDropdownFilter),
        ("organization", ScopedRelatedFilter),
        ("team", ScopedRelatedFilter),
    ]
    list_select_related = ["organization", "team"]
    search_fields = ["email"]
    list_before_template = "admin/dbpower/invite_button.html"  # type: ignore[assignment] # declared as None
    empty_text = _(
        "Nobody was invited, or none fits what you asked for. An invitation is a link that you hand over yourself: it gives one "
        "role, once, within a week."
    )
    fields = ["email", "organization", "team", "role", "state", "ends", "created_at", "expires_at", "at_the_end"]
    readonly_fields = [
        "email",
        "organization",
        "team",
        "role",
        "state",
        "ends",
        "created_at",
        "expires_at",
        "at_the_end",
    ]
    actions = ["invite_again", "revoke"]

    @admin.display(description=_("State"))
    def state(self, invitation: Invitation) -> SafeString:
        """Return what became of it."""
        state = state_of(invitation)
        return format_html(
            '<span class="dbpower-state dbpower-state-{}">{}</span>', _COLOURS[state], state_words(state)
        )

    @admin.display(description=_("Until, or ended"), ordering="expires_at")
    def ends(self, invitation: Invitation) -> SafeString | str:
        """Return until when it is good, or when it ended."""
        return until(invitation)

    @admin.display(description=_("When it expires"))
    def at_the_end(self, invitation: Invitation) -> str:  # noqa: ARG002
        """Return what happens at its end."""
        return gettext("The link is good no more, and nothing else changes. Invite again for a new link.")

    @scoped_action(
        permission=Permission.MEMBERSHIP_GIVE,
        label=_("Invite again"),
        icon="forward_to_inbox",
        page="invited_page",
        offered=lambda invitation: invitation.accepted_at is None,
    )
    def invite_again(self, row: Any, actor: Actor) -> Any:
        """Make a new link for the same address, place and role; one that is still open ends."""
        return invitations.invite(
            organization=row.organization, team=row.team, role=Role(row.role), email=row.email, actor=actor
        )

    def invited_page(self, request: HttpRequest, outcomes: list[Outcome]) -> HttpResponse:
        """Show the new links, this once."""
        return invited_page(self, request, [outcome.result for outcome in outcomes])

    @scoped_action(
        permission=Permission.MEMBERSHIP_MANAGE,
        label=_("Revoke"),
        icon="block",
        variant="danger",
        done=_("Revoked: {names}."),
        offered=lambda invitation: state_of(invitation) is State.OPEN,
        asks=consequences.of_revoking,
    )
    def revoke(self, row: Any, actor: Actor) -> Any:
        """Make an invitation void."""
        return invitations.revoke(invitation=row, actor=actor)
