"""Taking an act back: a message offers it for a while, and the session of whoever acted remembers how.

What is taken back goes through the same services and permissions as any other act, as they are at that moment.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth import HASH_SESSION_KEY
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from collectors.access import permitted
from collectors.admin import refusals, signed_in
from collectors.domain.roles import Permission, Role
from collectors.models import Membership, MonitoredDatabase, Organization, Team, User
from collectors.services import databases, people
from collectors.services.errors import Conflict, Refused

LASTS_SECONDS: Final = 15 * 60
_KEPT: Final = 5
_OFFERS: Final = "dbpower_undo_offers"
_FRESH: Final = "_dbpower_undo_offer"


def offer(request: HttpRequest, kind: str, *, back: str, **members: Any) -> None:
    """Let the message about what was just done offer to undo it. `members` are what the kind's function is given.

    Nothing is offered to whoever was signed out by it: the offer would be gone with the session.
    """
    if not _is_still_signed_in(request):
        return
    made: dict[str, Any] = {"id": secrets.token_urlsafe(9), "kind": kind, "members": members, "back": back}
    made["until"] = good_until()
    request.session[_OFFERS] = [*request.session.get(_OFFERS, []), made][-_KEPT:]
    request.__dict__[_FRESH] = made["id"]


def _is_still_signed_in(request: HttpRequest) -> bool:
    present = User.objects.get(pk=signed_in.user(request).pk).get_session_auth_hash()
    return constant_time_compare(request.session.get(HASH_SESSION_KEY, ""), present)


def good_until() -> int:
    """Return until when what is offered now is good, in seconds since 1970."""
    return int(timezone.now().timestamp()) + LASTS_SECONDS


def still_good(offered: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what was offered, if that was not too long ago."""
    return offered if offered is not None and offered.get("until", 0) >= timezone.now().timestamp() else None


def with_button(request: HttpRequest, message: Any) -> Any:
    """Return the message with the button of what was offered in this request, if anything was."""
    offered = request.__dict__.pop(_FRESH, None)
    if offered is None:
        return message
    return format_html(
        '{} <form method="post" action="{}" class="dbpower-undo-form">'
        '<input type="hidden" name="csrfmiddlewaretoken" value="{}">'
        '<button type="submit" name="offer" value="{}" class="dbpower-button">{}</button></form>',
        message,
        reverse("admin:undo"),
        get_token(request),
        offered,
        _("Undo"),
    )


def undo_page(request: HttpRequest) -> HttpResponse:
    """Take back what one of the session's offers is about. Each is good once."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    offers = request.session.get(_OFFERS, [])
    wanted = still_good(next((made for made in offers if made["id"] == request.POST.get("offer")), None))
    if wanted is None:
        messages.error(request, _("This cannot be undone any more. Look at what there is now, and change it by hand."))
        return HttpResponseRedirect(reverse("admin:index"))
    request.session[_OFFERS] = [made for made in offers if made is not wanted]
    try:
        messages.success(request, _KINDS[wanted["kind"]](Undoing(request), **wanted["members"]))
    except Refused as refusal:
        refusals.record_refused(request, refusal)
        messages.error(request, _("It was not undone: %(reason)s") % {"reason": refusal})
    return HttpResponseRedirect(wanted["back"])


@dataclass(frozen=True)
class Undoing:
    """Whoever takes something back, and the rows on which that is permitted to them now."""

    request: HttpRequest

    @property
    def actor(self) -> Any:
        """Return who acts."""
        return signed_in.actor(self.request)

    def row(self, model: Any, pk: int | None, permission: Permission) -> Any:
        """Return the row. Raises `Refused` where there is none on which the permission holds."""
        rows = permitted(model._default_manager.filter(pk=pk), signed_in.principal(self.request), permission)
        found = rows.first()
        if found is None:
            raise Refused(_("it is gone, or your role does not permit it any more."), code="undo_not_permitted")
        return found

    def unchanged(self, row: Any, after: dict[str, Any]) -> Any:
        """Return the row. Raises `Conflict` where somebody changed it again."""
        if any(getattr(row, name) != value for name, value in after.items()):
            raise Conflict(_("somebody has changed it again."), code="undo_changed")
        return row


def _give_again(undoing: Undoing, *, user: int, organization: int, team: int | None, role: str) -> SafeString | str:
    given = people.add_membership(
        organization=undoing.row(Organization, organization, Permission.MEMBERSHIP_GIVE),
        team=None if team is None else undoing.row(Team, team, Permission.MEMBERSHIP_GIVE),
        role=Role(role),
        user=_person(user),
        actor=undoing.actor,
    )
    return _("%(person)s is %(role)s in %(place)s again.") % {
        "person": given.user,
        "role": role,
        "place": given.team or given.organization,
    }


def _person(pk: int) -> User:
    """Return the person of a role that was just taken away: whom nobody may see any more just for that."""
    found = User.objects.filter(pk=pk).first()
    if found is None:
        raise Refused(_("the account is gone."), code="undo_gone")
    return found


def _role_back(undoing: Undoing, *, pk: int, before: dict[str, Any], after: dict[str, Any]) -> str:
    membership = undoing.unchanged(undoing.row(Membership, pk, Permission.MEMBERSHIP_GIVE), after)
    people.change_membership(membership=membership, role=Role(before["role"]), actor=undoing.actor)
    return _("%(person)s is %(role)s again.") % {"person": membership.user, "role": before["role"]}


def _organization_back(undoing: Undoing, *, pk: int, before: dict[str, Any], after: dict[str, Any]) -> str:
    row = undoing.unchanged(undoing.row(Organization, pk, Permission.ORGANIZATION_POLICY), after)
    people.change_organization(organization=row, actor=undoing.actor, **before)
    return _("%(name)s is as it was before.") % {"name": row}


def _team_back(undoing: Undoing, *, pk: int, before: dict[str, Any], after: dict[str, Any]) -> str:
    row = undoing.unchanged(undoing.row(Team, pk, Permission.TEAM_MANAGE), after)
    people.change_team(team=row, name=before["name"], actor=undoing.actor)
    # Of what was changed with it, nothing goes back.
    return _("The team is called %(name)s again.") % {"name": row}


def _database_back(undoing: Undoing, *, pk: int, before: dict[str, Any], after: dict[str, Any]) -> str:
    row = undoing.unchanged(undoing.row(MonitoredDatabase, pk, Permission.DATABASE_MANAGE), after)
    databases.rename_database(database=row, name=before["name"], actor=undoing.actor)
    return _("%(name)s is as it was before.") % {"name": row}


def _account_back(undoing: Undoing, *, pk: int, before: dict[str, Any], after: dict[str, Any]) -> str:
    row = undoing.unchanged(undoing.row(User, pk, Permission.USER_MANAGE), after)
    people.change_user(user=row, changes=dict(before), actor=undoing.actor)
    if before.get("is_active"):
        return _("%(name)s is active again. Logins, tokens and invitations that ended stay ended.") % {"name": row}
    return _("%(name)s is as it was before.") % {"name": row}


_KINDS: Final[dict[str, Callable[..., Any]]] = {
    "membership": _give_again,
    "role": _role_back,
    "organization": _organization_back,
    "team": _team_back,
    "database": _database_back,
    "account": _account_back,
}
