"""What is said before something is removed or ended: what happens to whom, what stands in the way, and whether it can be undone.

Everything is counted among the rows that whoever asks may see.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from collectors.access import Principal, visible_to
from collectors.admin.display import number
from collectors.domain import limits
from collectors.domain.roles import Role
from collectors.models import (
    Collector,
    EnrolmentToken,
    Invitation,
    Membership,
    MonitoredDatabase,
    Organization,
    PersonalToken,
    SlowQuery,
    Statement,
    Team,
    User,
)

# What the name is typed into, where history is lost.
TYPED: Final = "typed"
# So many of what stands in the way are named at a time.
_NAMED: Final = 50
FINAL: Final = gettext_lazy("This cannot be undone.")


@dataclass(frozen=True)
class Consequences:
    """What will happen, line by line. `hindrances` are what has to go first, each with its address: then nothing can be done yet.

    `typed` is the name that has to be typed, empty where nothing is lost.
    """

    lines: list[str] = field(default_factory=list)
    hindrances: list[tuple[str, str]] = field(default_factory=list)
    after: str | Promise = FINAL
    typed: str = ""


def of_membership(membership: Membership, principal: Principal) -> Consequences:
    """Return what comes of taking a role away."""
    person, place = membership.user, membership.team or membership.organization
    others = visible_to(Membership.objects.filter(user=person, organization=membership.organization_id), principal)
    left = [f"{other.role} · {other.team or other.organization}" for other in others.exclude(pk=membership.pk)]
    words = {"person": person, "role": membership.role, "place": place}
    lines = [
        _("%(person)s is not %(role)s in %(place)s any more, from the next request on.") % words,
        _("%(person)s is signed out everywhere, and can sign in again only where a role is left.") % words,
        *_ended(principal, lambda by: Q(organization=membership.organization_id, **{by: person})),
    ]
    if left:
        lines.append(
            _("What is left in %(organization)s: %(roles)s.")
            % {"organization": membership.organization, "roles": ", ".join(left)}
        )
    else:
        lines.append(
            _("%(person)s then belongs to %(organization)s no more.")
            % {**words, "organization": membership.organization}
        )
    if person.pk == principal.user_id:
        return Consequences(lines, after=_("It is your own role: somebody else has to give it again."))
    return Consequences(
        lines, after=_("You can undo it right afterwards: the role is given again. What ended stays ended.")
    )


def of_team(team: Team, principal: Principal) -> Consequences:
    """Return what comes of removing a team."""
    members = visible_to(Membership.objects.filter(team=team), principal).order_by().values("user")
    people = members.count()
    lines = [
        ngettext(
            "%(count)s person loses their roles in it and is signed out.",
            "%(count)s people lose their roles in it and are signed out.",
            people,
        )
        % {"count": number(people)},
        # With a role ends what somebody made in the organization that lets others in.
        *_ended(principal, lambda by: Q(team=team) | Q(organization=team.organization_id, **{f"{by}__in": members})),
    ]
    return Consequences(lines, _watching(principal, "team", team), FINAL)


def of_organization(organization: Organization, principal: Principal) -> Consequences:
    """Return what comes of removing an organization."""
    teams = visible_to(Team.objects.filter(organization=organization), principal).count()
    people = (
        visible_to(Membership.objects.filter(organization=organization), principal).values("user").distinct().count()
    )
    lines = [
        ngettext("%(count)s team goes.", "%(count)s teams go.", teams) % {"count": number(teams)},
        ngettext(
            "%(count)s person loses their roles in it and is signed out.",
            "%(count)s people lose their roles in it and are signed out.",
            people,
        )
        % {"count": number(people)},
        *_ended(principal, lambda _by: Q(organization=organization)),
        _("Its audit stays, for SUPER_ADMIN to read."),
    ]
    hindrances = _watching(principal, "organization", organization)
    return Consequences(lines, hindrances, FINAL, typed=organization.name)


def of_policies(organization: Organization, wanted: dict[str, Any], principal: Principal) -> list[str]:
    """Return what comes of other policies, as far as it hides, removes or signs out; nothing where they loosen."""
    lines = []
    for name, installation, words in (
        (
            "history_retention_days",
            limits.HISTORY_RETENTION_DAYS,
            _("Numbers of statements older than %(days)s are hidden at once, and removed within hours."),
        ),
        (
            "slow_query_retention_days",
            limits.SLOW_QUERY_RETENTION_DAYS,
            _("Slow queries older than %(days)s are hidden at once, and removed within hours."),
        ),
    ):
        before, after = getattr(organization, name) or installation, wanted.get(name) or installation
        if after < before:
            days = ngettext("%(count)s day", "%(count)s days", after) % {"count": number(after)}
            lines.append(words % {"days": days})
    if wanted.get("second_factor_required") and not organization.second_factor_required:
        members = visible_to(Membership.objects.filter(organization=organization), principal)
        without = members.filter(user__second_factor__confirmed_at=None).values("user").distinct().count()
        text = ngettext(
            "%(count)s person without a second factor is signed out, and sets one up before anything else.",
            "%(count)s people without a second factor are signed out, and set one up before anything else.",
            without,
        )
        lines.append(text % {"count": number(without)})
        if User.objects.filter(pk=principal.user_id or 0, second_factor__confirmed_at=None).exists():
            return [*lines, _("You have none either: to change it back, you sign in anew and set one up first.")]
    return (
        [*lines, _("You can undo it right afterwards. What was removed by then does not come back.")] if lines else []
    )


def of_database(database: MonitoredDatabase, principal: Principal) -> Consequences:
    """Return what comes of removing a database."""
    collectors = visible_to(Collector.objects.filter(database=database), principal).order_by("name", "pk")
    statements = visible_to(Statement.objects.filter(database=database), principal).count()
    is_logged = visible_to(SlowQuery.objects.filter(database=database), principal).exists()
    since = f"{timezone.localtime(database.created_at):%Y-%m-%d}"
    lines = [
        ngettext(
            "The numbers of %(count)s statement go, all that was collected since %(since)s.",
            "The numbers of %(count)s statements go, all that was collected since %(since)s.",
            statements,
        )
        % {"count": number(statements), "since": since},
        *([_("Its slow queries go.")] if is_logged else []),
        _("Nothing changes on the database server itself."),
    ]
    # Each by itself: a collector may be called anything, so that no search finds them.
    hindrances = [
        (
            _("The collector %(name)s still watches it.") % {"name": collector.name},
            reverse("admin:collectors_collector_change", args=[collector.pk]),
        )
        for collector in collectors[:_NAMED]
    ]
    return Consequences(lines, hindrances, FINAL, typed=database.name)


def of_collector(collector: Collector, principal: Principal) -> Consequences:
    """Return what comes of removing a collector."""
    beside = visible_to(Collector.objects.filter(database=collector.database_id), principal).exclude(pk=collector.pk)
    others = beside.filter(auto_collect=True).count()
    lines = [
        _("Its key ends: the agent is refused from its next request on. Stop and remove the agent on its host."),
        _("Its statuses, commands and heartbeats are forgotten."),
        _("The history of the database %(database)s stays.") % {"database": collector.database},
    ]
    if others:
        text = ngettext(
            "%(count)s other collector goes on watching the database.",
            "%(count)s other collectors go on watching the database.",
            others,
        )
        lines.append(text % {"count": number(others)})
    else:
        lines.append(_("Nothing watches the database then: no new numbers come."))
    return Consequences(lines)


def of_deactivation(principal: Principal, rows: list[User]) -> list[str]:
    """Return what comes of deactivating people."""
    lines = [
        _(
            "They are signed out at once and cannot sign in again. Their roles stay, and count again once they are reactivated."
        )
    ]
    good = PersonalToken.objects.filter(user__in=rows, revoked_at=None, expires_at__gt=Now())
    tokens = good.count() if principal.is_superuser else 0
    text = ngettext(
        "%(count)s API token of theirs is revoked for good.",
        "%(count)s API tokens of theirs are revoked for good.",
        tokens,
    )
    lines += [text % {"count": number(tokens)}] if tokens else []
    made = visible_to(Invitation.objects.open().filter(invited_by__in=rows), principal).count()
    text = ngettext(
        "%(count)s open invitation that they made ends.", "%(count)s open invitations that they made end.", made
    )
    lines += [text % {"count": number(made)}] if made else []
    for_hosts = visible_to(EnrolmentToken.objects.filter(created_by__in=rows, revoked_at=None), principal).count()
    text = ngettext(
        "%(count)s enrolment token that they made ends.", "%(count)s enrolment tokens that they made end.", for_hosts
    )
    lines += [text % {"count": number(for_hosts)}] if for_hosts else []
    return [
        *lines,
        _("You can undo it right afterwards, or reactivate them any time.")
        if len(rows) == 1
        else _("You can reactivate them any time."),
    ]


def of_revoking(_principal: Principal, rows: list[Invitation]) -> list[str]:
    """Return what comes of revoking invitations."""
    lines = [_("The link is not good any more: whoever has it is told so, and gets no role.")]
    if any(row.role == Role.ORG_ADMIN for row in rows):
        lines.append(_("Nobody becomes ORG_ADMIN by it."))
    return [*lines, _("This cannot be undone, but you can invite again: that makes a new link.")]


def _ended(principal: Principal, which: Callable[[str], Q]) -> list[str]:
    """Return what is said of invitations and enrolment tokens that end; `which` is given the field that names who made them."""
    lines = []
    invitations = visible_to(Invitation.objects.open().filter(which("invited_by")), principal).count()
    if invitations:
        text = ngettext("%(count)s open invitation ends.", "%(count)s open invitations end.", invitations)
        lines.append(text % {"count": number(invitations)})
    tokens = EnrolmentToken.objects.filter(which("created_by"), revoked_at=None)
    if count := visible_to(tokens, principal).count():
        text = ngettext("%(count)s enrolment token ends.", "%(count)s enrolment tokens end.", count)
        lines.append(text % {"count": number(count)})
    return lines


def _watching(principal: Principal, kind: str, place: Organization | Team) -> list[tuple[str, str]]:
    """Return what still watches in a place, with the list of it."""
    found, query = [], {f"{kind}__id__exact": place.pk}
    collectors = visible_to(Collector.objects.filter(**{kind: place}), principal).count()
    if collectors:
        text = ngettext("%(count)s collector is still in it.", "%(count)s collectors are still in it.", collectors)
        found.append((text % {"count": number(collectors)}, list_of("collector", query)))
    databases = visible_to(MonitoredDatabase.objects.filter(**{kind: place}), principal).count()
    if databases:
        text = ngettext("%(count)s database is still in it.", "%(count)s databases are still in it.", databases)
        found.append((text % {"count": number(databases)}, list_of("monitoreddatabase", query)))
    return found


def list_of(table: str, query: dict[str, Any]) -> str:
    """Return the address of a table's list, narrowed down."""
    return f"{reverse(f'admin:collectors_{table}_changelist')}?{urlencode(query)}"
