"""What the pages of an organization and of a team show beside their forms: everything of it that whoever looks may see."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from collectors.access import Principal, may, permitted, visible_to
from collectors.admin import role_words, signed_in
from collectors.admin.audit_words import tell
from collectors.admin.consequences import list_of
from collectors.admin.display import STATUS_COLOURS, freshness, number
from collectors.admin.place_lists import holds_at
from collectors.domain import limits
from collectors.domain.liveness import Status
from collectors.domain.roles import Permission
from collectors.models import (
    AuditEntry,
    Collector,
    Invitation,
    Membership,
    MonitoredDatabase,
    Organization,
    Team,
    User,
)

_LISTED: Final = 50
_FEW: Final = 10
_ORDER: Final = {status.value: place for place, status in enumerate(Status)}


@dataclass(frozen=True)
class TeamLine:
    """A team with how much is in it, None where whoever looks is not told. Statuses are label, colour and number."""

    team: Team
    people: int | None
    databases: int
    statuses: list[tuple[str, str, str]] | None


@dataclass(frozen=True)
class PersonLine:
    """A person with the roles in the place; `has_factor` is None where whoever looks is not told."""

    user: User
    memberships: list[Membership]
    has_factor: bool | None
    last_act: datetime | None


def organization_context(request: HttpRequest, organization: Organization) -> dict[str, Any]:
    """Return what the page of an organization shows."""
    asking = signed_in.principal(request)
    teams = list(visible_to(Team.objects.filter(organization=organization), asking)[: _LISTED + 1])
    memberships = visible_to(Membership.objects.filter(organization=organization), asking)
    place = {"organization": organization}
    return {
        "place": organization,
        "query": f"organization__id__exact={organization.pk}",
        "teams": _team_lines(teams[:_LISTED], organization, asking),
        "more_teams": len(teams) > _LISTED,
        **_shared(asking, memberships, place, may_see_policy=may(asking, Permission.ORGANIZATION_POLICY, organization)),
        "acts": tell(visible_to(AuditEntry.objects.filter(**place), asking)[:_FEW], asking),
        "audit_query": f"organization__id__exact={organization.pk}",
        "policies": _policies(organization),
        "may_invite": may(asking, Permission.MEMBERSHIP_GIVE, organization),
        "may_add_team": may(asking, Permission.TEAM_MANAGE, organization),
        "may_register": permitted(Team.objects.filter(**place), asking, Permission.COLLECTOR_KEY).exists(),
    }


def team_context(request: HttpRequest, team: Team) -> dict[str, Any]:
    """Return what the page of a team shows."""
    asking = signed_in.principal(request)
    place = {"team": team}
    memberships = visible_to(Membership.objects.filter(**place), asking)
    databases = visible_to(MonitoredDatabase.objects.filter(**place), asking).select_related("lease__holder__heartbeat")
    collectors = visible_to(Collector.objects.filter(**place), asking).select_related("heartbeat", "database")
    may_see_policy = may(asking, Permission.ORGANIZATION_POLICY, team.organization)
    return {
        "place": team,
        "query": f"team__id__exact={team.pk}",
        **_shared(asking, memberships, place, may_see_policy=may_see_policy),
        "databases": [
            (row, freshness(row.data_until, fresh=row.is_data_fresh(timezone.now())))
            for row in databases.order_by("name")[:_LISTED]
        ],
        "collectors": [
            (row, row.heartbeat.status, STATUS_COLOURS.get(row.heartbeat.status, "default"))
            for row in collectors.order_by("name")[:_FEW]
        ],
        "acts": tell(_acts_about(team, asking), asking),
        "audit_query": urlencode({"object_type": "team", "q": team.name}),
        "may_invite": may(asking, Permission.MEMBERSHIP_GIVE, team),
        "may_register": may(asking, Permission.COLLECTOR_KEY, team),
    }


def _shared(
    asking: Principal, memberships: QuerySet[Membership], place: dict[str, Any], *, may_see_policy: bool
) -> dict[str, Any]:
    invitations = visible_to(Invitation.objects.open().filter(**place), asking).select_related("team", "organization")
    waiting = list(invitations.order_by("expires_at")[: _FEW + 1])
    collectors = visible_to(Collector.objects.filter(**place), asking)
    counted = collectors.order_by().values("heartbeat__status").annotate(number=Count("pk"))
    statuses = {row["heartbeat__status"]: row["number"] for row in counted}
    (kind, row), *_ = place.items()
    organization = row.organization_id if isinstance(row, Team) else row.pk
    return {
        "people": _person_lines(memberships, asking, organization=organization, tells_factor=may_see_policy),
        "person_count": memberships.order_by().values("user").distinct().count(),
        "tells_factor": may_see_policy,
        "tells_acts": holds_at(asking, Permission.AUDIT_VIEW, row),
        "sees_people": holds_at(asking, Permission.MEMBERSHIP_VIEW, row),
        "sees_collectors": holds_at(asking, Permission.COLLECTOR_VIEW, row),
        "invitations": waiting[:_FEW],
        "more_invitations": len(waiting) > _FEW,
        "collector_count": sum(statuses.values()),
        "statuses": _labels(statuses),
        "database_count": visible_to(MonitoredDatabase.objects.filter(**place), asking).count(),
        "links": {
            name: list_of(table, {f"{kind}__id__exact": row.pk})
            for name, table in (
                ("people", "membership"),
                ("databases", "monitoreddatabase"),
                ("collectors", "collector"),
                ("invitations", "invitation"),
                ("teams", "team"),
            )
        },
        "role_words": [(role.value, role_words.of(role)) for role in role_words.IN_ORDER],
    }


def _team_lines(teams: list[Team], organization: Organization, asking: Principal) -> list[TeamLine]:
    ids = [team.pk for team in teams]
    people = _by_team(visible_to(Membership.objects.filter(organization=organization, team__in=ids), asking))
    databases = _by_team(visible_to(MonitoredDatabase.objects.filter(team__in=ids), asking))
    collectors = visible_to(Collector.objects.filter(team__in=ids), asking).order_by()
    statuses: dict[int, dict[str, int]] = defaultdict(dict)
    for team, status, count in collectors.values_list("team", "heartbeat__status").annotate(number=Count("pk")):
        statuses[team][status] = count
    return [
        TeamLine(
            team,
            people.get(team.pk, 0) if holds_at(asking, Permission.MEMBERSHIP_VIEW, team) else None,
            databases.get(team.pk, 0),
            _labels(statuses[team.pk]) if holds_at(asking, Permission.COLLECTOR_VIEW, team) else None,
        )
        for team in teams
    ]


def _by_team(rows: QuerySet[Any]) -> dict[int, int]:
    return dict(rows.order_by().values_list("team").annotate(number=Count("pk")))


def _labels(statuses: dict[str, int]) -> list[tuple[str, str, str]]:
    known = sorted((status for status in statuses if status), key=lambda status: _ORDER.get(status, len(_ORDER)))
    return [(status, STATUS_COLOURS.get(status, "default"), number(statuses[status])) for status in known]


def _person_lines(
    memberships: QuerySet[Membership], asking: Principal, *, organization: int, tells_factor: bool
) -> list[PersonLine]:
    users = visible_to(User.objects.filter(pk__in=memberships.order_by().values("user")), asking).order_by("email")
    # Of what they did here alone: what somebody does in another organization is that one's business.
    here = AuditEntry.objects.filter(user_id=OuterRef("pk"), organization=organization)
    acts = visible_to(here, asking).order_by("-pk").values("created_at")
    shown = list(users.annotate(last_act=Subquery(acts[:1]))[:_LISTED])
    roles: dict[int, list[Membership]] = defaultdict(list)
    for membership in memberships.filter(user__in=shown).select_related("team", "organization").order_by("pk"):
        roles[membership.user_id].append(membership)
    with_factor: set[int] = set()
    if tells_factor:
        confirmed = User.objects.filter(pk__in=[user.pk for user in shown], second_factor__confirmed_at__isnull=False)
        with_factor = set(confirmed.values_list("pk", flat=True))
    return [
        PersonLine(user, roles[user.pk], user.pk in with_factor if tells_factor else None, user.last_act)
        for user in shown
    ]


def _acts_about(team: Team, asking: Principal) -> QuerySet[AuditEntry]:
    """Return what was done to the team, and to what is in it."""
    about = Q(object_type="team", object_id=team.pk)
    for kind, rows in (
        ("membership", Membership.objects.filter(team=team)),
        ("collector", Collector.objects.filter(team=team)),
        ("monitoreddatabase", MonitoredDatabase.objects.filter(team=team)),
        ("invitation", Invitation.objects.filter(team=team)),
    ):
        newest = list(rows.order_by("-pk").values_list("pk", flat=True)[:_LISTED])
        about |= Q(object_type=kind, object_id__in=newest)
    return visible_to(AuditEntry.objects.filter(about, organization=team.organization_id), asking)[:_FEW]


def _policies(organization: Organization) -> list[tuple[str, str]]:
    factor = (
        _("Everybody needs one: members without one set it up when they sign in next.")
        if organization.second_factor_required
        else _("Not asked for: whoever wants one sets it up under “Second factor”.")
    )
    return [
        (_("Second factor"), factor),
        (_("Numbers of statements"), _kept(organization.history_retention_days, limits.HISTORY_RETENTION_DAYS)),
        (_("Slow queries"), _kept(organization.slow_query_retention_days, limits.SLOW_QUERY_RETENTION_DAYS)),
    ]


def _kept(own: int | None, installation: int) -> str:
    days = installation if own is None else own
    text = ngettext("kept for %(count)s day", "kept for %(count)s days", days) % {"count": number(days)}
    return text if own is not None else _("%(kept)s, as this installation keeps them") % {"kept": text}
