"""Who may see and change what, once more: from the table of roles in docs/api.md, and from the rows themselves.

Nothing of `collectors.access` or `collectors.domain.roles` is used, nor the tenant's number that most tables repeat: a row
is where its team, its database or its collector is.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from collectors import models
from collectors.models import User

Place = tuple[int, int | None]

USER, TEAM_LEAD, ORG_ADMIN, NOBODY = 1, 2, 3, 9
RANKS: Final = {"USER": USER, "TEAM_LEAD": TEAM_LEAD, "ORG_ADMIN": ORG_ADMIN}

# The least role that sees a row of each table; what stands in no table of the documentation goes with what it belongs to.
SEEN_FROM: Final = {
    "organization": USER,
    "team": USER,
    "monitoreddatabase": USER,
    "statement": USER,
    "fingerprint": USER,
    "fingerprintnote": USER,
    "fingerprinttag": USER,
    "slowquery": USER,
    "plan": USER,
    "gap": USER,
    "membership": TEAM_LEAD,
    "invitation": TEAM_LEAD,
    "user": TEAM_LEAD,
    "collector": TEAM_LEAD,
    "enrolmenttoken": TEAM_LEAD,
    "heartbeat": TEAM_LEAD,
    "collectortag": TEAM_LEAD,
    "queryrate": TEAM_LEAD,
    "collection": TEAM_LEAD,
    "command": TEAM_LEAD,
    "statuschange": TEAM_LEAD,
    "auditentry": ORG_ADMIN,
}
# The least role that changes it; NOBODY but SUPER_ADMIN.
CHANGED_FROM: Final = {
    "monitoreddatabase": TEAM_LEAD,
    "collector": TEAM_LEAD,
    "command": TEAM_LEAD,
    "enrolmenttoken": TEAM_LEAD,
    "organization": ORG_ADMIN,
    "team": ORG_ADMIN,
    "membership": ORG_ADMIN,
    "invitation": ORG_ADMIN,
}
# Everybody's own, and nobody else's.
OWN: Final = {"personaltoken", "savedfilter"}
WORD: Final = re.compile(r"zq[0-9]+w")


@dataclass(frozen=True)
class Row:
    """A row, and all places it belongs to: a tenant and a team of it, or no team where it belongs to the tenant itself."""

    kind: str
    pk: int
    places: frozenset[Place]
    values: dict[str, Any]

    def __hash__(self) -> int:
        return hash((self.kind, self.pk))

    @property
    def words(self) -> set[str]:
        """The words of its own that it holds."""
        return set(WORD.findall(str(self.values)))


@dataclass(frozen=True)
class Person:
    """Somebody, with a rank for each place."""

    user: User
    grants: dict[Place, int]

    def sees(self, row: Row) -> bool:
        """Tell whether the row is theirs to see."""
        if row.kind in OWN:
            return bool(row.values["user_id"] == self.user.pk)
        if row.kind == "organization":
            return self.user.is_superuser or row.pk in {organization for organization, _ in self.grants}
        return self._reaches(row, SEEN_FROM[row.kind])

    def changes(self, row: Row) -> bool:
        """Tell whether the row is theirs to change."""
        if row.kind in OWN:
            return self.sees(row)
        return self._reaches(row, CHANGED_FROM.get(row.kind, NOBODY))

    def belongs_to(self, organization: int) -> bool:
        """Tell whether they have anything to do with the tenant."""
        return self.user.is_superuser or any(organization == place for place, _ in self.grants)

    def _reaches(self, row: Row, least: int) -> bool:
        if self.user.is_superuser:
            return True
        return any(
            rank >= least and organization == own and team in {None, own_team}
            for (organization, team), rank in self.grants.items()
            for own, own_team in row.places
        )


class Census:
    """Every row of a world, counted anew from the tables."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        team_places = {team.pk: (team.organization_id, team.pk) for team in models.Team.objects.all()}
        database_places = {row.pk: team_places[row.team_id] for row in models.MonitoredDatabase.objects.all()}
        collector_places = {row.pk: team_places[row.team_id] for row in models.Collector.objects.all()}
        through = {"team_id": team_places, "database_id": database_places, "collector_id": collector_places}
        self._take(models.Organization, lambda row: {(row["id"], None)})
        self._take(models.Team, lambda row: {team_places[row["id"]]})
        self._take(models.MonitoredDatabase, lambda row: {database_places[row["id"]]})
        self._take(models.Collector, lambda row: {collector_places[row["id"]]})
        model: Any
        for model in (
            models.Heartbeat,
            models.Command,
            models.StatusChange,
            models.CollectorTag,
            models.QueryRate,
            models.Collection,
        ):
            self._take(model, lambda row: {through["collector_id"][row["collector_id"]]})
        for model in (models.Statement, models.SlowQuery, models.Gap, models.Plan):
            self._take(model, lambda row: {through["database_id"][row["database_id"]]})
        self._take(models.Membership, lambda row: {(row["organization_id"], row["team_id"])})
        self._take(models.EnrolmentToken, lambda row: {team_places[row["team_id"]]})
        self._take(models.Invitation, lambda row: {(row["organization_id"], row["team_id"])})
        self._take(models.PersonalToken, lambda row: set())
        self._take(models.SavedFilter, lambda row: set())
        self._take(models.AuditEntry, lambda row: {(row["organization_id"], None)} if row["organization_id"] else set())
        self._take(models.Fingerprint, lambda row: self._joined("statement", "fingerprint_id", row["id"]))
        statements_of = {row.pk: row.places for row in self.rows["fingerprint"]}
        for model in (models.FingerprintNote, models.FingerprintTag):
            self._take(model, lambda row: statements_of[row["fingerprint_id"]])
        self._take(models.User, lambda row: self._joined("membership", "user_id", row["id"]))
        self.holders: dict[str, list[Row]] = defaultdict(list)
        for row in self.all():
            for word in row.words:
                self.holders[word].append(row)

    def all(self) -> list[Row]:
        """Return the rows of all tables."""
        return [row for rows in self.rows.values() for row in rows]

    def person(self, user: User) -> Person:
        """Return somebody with what they are as things stand."""
        grants = {
            (row.values["organization_id"], row.values["team_id"]): RANKS[row.values["role"]]
            for row in self.rows["membership"]
            if row.values["user_id"] == user.pk
        }
        return Person(user, grants)

    def visible(self, person: Person, kind: str) -> list[Row]:
        """Return the rows of a table that the person sees."""
        return [row for row in self.rows[kind] if person.sees(row)]

    def hidden_words(self, person: Person) -> set[str]:
        """Return the words that stand in no row the person sees; everybody knows themselves."""
        own = next(row.words for row in self.rows["user"] if row.pk == person.user.pk)
        return {word for word, rows in self.holders.items() if not any(map(person.sees, rows))} - own

    def _take(self, model: Any, places: Any) -> None:
        kind = model._meta.model_name
        self.rows[kind] = [
            Row(kind, values[model._meta.pk.attname], frozenset(places(values)), values)
            for values in model._default_manager.order_by("pk").values()
        ]

    def _joined(self, kind: str, column: str, pk: int) -> set[Place]:
        return {place for row in self.rows[kind] if row.values[column] == pk for place in row.places}
