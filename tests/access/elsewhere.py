"""What may happen in a team while somebody who has no part in it looks on."""

from abc import ABC, abstractmethod
from collections import defaultdict

from collectors.domain.commands import CommandType
from collectors.domain.roles import Role
from collectors.models import AuditEntry, Heartbeat, Membership, MonitoredDatabase, Statement, StatusChange, Team, User
from collectors.services.collectors import delete_collector
from collectors.services.commands import request_command
from collectors.services.databases import delete_database
from tests.access.oracle import TEAM_LEAD, USER, Census, Person
from tests.access.reading import ABSENT
from tests.access.worlds import Builder, register_beside
from tests.cast import SOMEBODY


def rows_of_team(census: Census, team: Team) -> dict[str, int]:
    """Return the id of one row of each table that is in the team, or in its tenant."""
    found: defaultdict[str, int] = defaultdict(lambda: ABSENT)
    for row in census.all():
        if any(organization == team.organization_id and own in {None, team.pk} for organization, own in row.places):
            found.setdefault(row.kind, row.pk)
    return found


class Change(ABC):
    """Something that happens in a team, for some to see."""

    @abstractmethod
    def seen_by(self, person: Person, team: Team) -> bool:
        """Tell whether the person may notice."""

    @abstractmethod
    def happen(self, builder: Builder, team: Team) -> None:
        """Let it happen."""


def rank_in(person: Person, team: Team) -> int:
    """Return the greatest role that the person has in the team."""
    places = ((team.organization_id, None), (team.organization_id, team.pk))
    return max(person.grants.get(place, 0) for place in places)


class Fleet(Change):
    """Collectors and people of the team change; its databases and their numbers stay."""

    def seen_by(self, person: Person, team: Team) -> bool:
        """Collectors and people are a TEAM_LEAD's business."""
        return rank_in(person, team) >= TEAM_LEAD

    def happen(self, builder: Builder, team: Team) -> None:
        """Add collectors, commands, statuses and errors, and let strangers join."""
        for collector in team.collectors.all():
            register_beside(collector, f"standby {builder.word()}")
            request_command(collector=collector, command=CommandType.COLLECT, actor=SOMEBODY)
            Heartbeat.objects.filter(collector=collector).update(last_error=builder.word(), queries_collected=5000)
            StatusChange.objects.create(
                organization_id=team.organization_id,
                collector=collector,
                old_status="ONLINE",
                new_status="ERROR",
                cause="heartbeat with an error",
            )
        for stranger in User.objects.filter(email__startswith="zq").exclude(memberships__team=team):
            Membership.objects.create(user=stranger, organization=team.organization, team=team, role=Role.TEAM_LEAD)


class Numbers(Change):
    """Databases, statements and what they cost."""

    def seen_by(self, person: Person, team: Team) -> bool:
        """Everybody of the team sees them."""
        return rank_in(person, team) >= USER

    def happen(self, builder: Builder, team: Team) -> None:
        """Run statements that others run too, watch one more database, give everything another name."""
        for statement in Statement.objects.filter(database__team=team):
            builder.execution(statement, builder.now)
        builder.watched(team, name="orders")
        team.databases.update(name=f"orders {builder.word()}")
        Team.objects.filter(pk=team.pk).update(name=f"Shop {builder.word()}")


class Tenant(Change):
    """The tenant itself."""

    def seen_by(self, person: Person, team: Team) -> bool:
        """Everybody of the tenant sees its name."""
        return person.belongs_to(team.organization_id)

    def happen(self, builder: Builder, team: Team) -> None:
        """Change its name and what it keeps, add a team that watches, and make the audit longer."""
        organization = team.organization
        organization.name = f"Example GmbH {builder.word()}"
        organization.history_retention_days = organization.slow_query_retention_days = 1
        organization.save()
        builder.watched(Team.objects.create(organization=organization, name="Shop 2"), name="orders")
        AuditEntry.objects.create(
            organization=organization, actor="x", action="test", object_type="team", object_label="orders"
        )


class Removal(Change):
    """Everything of the team goes."""

    def seen_by(self, person: Person, team: Team) -> bool:
        """Everybody of the team sees that, and whoever sees the people in it."""
        return rank_in(person, team) >= USER

    def happen(self, builder: Builder, team: Team) -> None:
        """Remove collectors, databases and their history."""
        for collector in team.collectors.all():
            delete_collector(collector=collector, actor=SOMEBODY)
        for database in MonitoredDatabase.objects.filter(team=team):
            delete_database(database=database, actor=SOMEBODY)
        Membership.objects.filter(team=team, user__email__startswith="zq").delete()


CHANGES: list[Change] = [Fleet(), Numbers(), Tenant(), Removal()]
