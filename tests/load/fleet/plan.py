"""How large the fleet is, and how it is divided among organizations and teams."""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

from collectors.domain import limits, periods

ORGANIZATIONS: Final = (
    *(
        "Example Group",
        "Northwind Logistics",
        "Blue Harbor Bank",
        "Fjord Insurance",
        "Alpine Retail",
        "Castello Hotels",
    ),
    *("Meridian Energy", "Quarry Games", "Lindenhof Health", "Porto Mobile", "Silver Birch Media", "Cedar Travel"),
    *("Atlas Freight", "Vela Software", "Granite Telecom", "Orchard Foods", "Tidewater Labs", "Beacon Schools"),
    *("Juniper Motors", "Helix Pharma", "Saffron Kitchens", "Kestrel Air", "Delta Works", "Marble Arch Homes"),
)
# The first organization has this part of everything; the others share the rest, each about as much as the next two together.
LARGE: Final = 0.6
COLLECTORS_PER_TEAM: Final = 100
# Of a hundred collectors, how many stand by for another one of their database.
STANDBYS_OF_100: Final = 5
# The first teams of the large organization have this many databases each whose statements are here.
BUSY_TEAMS: Final = 10
BUSY_DATABASES: Final = 10
SLOW_QUERY_DAYS: Final = limits.SLOW_QUERY_RETENTION_DAYS


@dataclass(frozen=True)
class Tenant:
    """One organization: ids are given out in order, so a range names what belongs to it."""

    pk: int
    name: str
    teams: range
    databases: range
    # Of these databases there are statements.
    watched: tuple[int, ...]
    fingerprints: range

    def team_of(self, database: int) -> int:
        """Return the team that a database belongs to."""
        place = (database - self.databases.start) * len(self.teams) // len(self.databases)
        return self.teams[place]

    @property
    def domain(self) -> str:
        """Return the domain of its people's addresses."""
        return self.name.lower().replace(" ", "-") + ".example"


@dataclass(frozen=True)
class Plan:
    """What is made. The same members make the same rows; only their times follow `ends_at`, a whole five minutes.

    `days` of hours and days are made, and buckets for the last `bucket_days` of them. `databases` is how many databases have
    statements, `statements` how many each of them has.
    """

    ends_at: datetime
    collectors: int = 100_000
    fingerprints: int = 10_000
    days: int = 90
    bucket_days: int = 3
    databases: int = 400
    statements: int = 100
    seed: int = 1

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Return the plan that `as_json` was called on."""
        members = json.loads(text)
        return cls(**{**members, "ends_at": datetime.fromisoformat(members["ends_at"])})

    def as_json(self) -> str:
        """Return the plan as text."""
        return json.dumps({**asdict(self), "ends_at": self.ends_at.isoformat()}, sort_keys=True)

    def is_like(self, other: "Plan") -> bool:
        """Tell whether two plans differ in nothing but their time."""
        return {**asdict(self), "ends_at": None} == {**asdict(other), "ends_at": None}

    @property
    def begins_at(self) -> datetime:
        """The beginning of the oldest day of which there are numbers."""
        return periods.floor(self.ends_at, periods.DAY) - timedelta(days=self.days)

    @property
    def buckets_since(self) -> datetime:
        """The beginning of the oldest day of which there are buckets."""
        return periods.floor(self.ends_at, periods.DAY) - timedelta(days=self.bucket_days)

    @property
    def slow_queries_since(self) -> datetime:
        """The beginning of the oldest day of which there are single executions."""
        return periods.floor(self.ends_at, periods.DAY) - timedelta(days=min(self.days, SLOW_QUERY_DAYS))

    def randomness(self, salt: str) -> random.Random:
        """Return random numbers of one step, the same ones whatever else was made before."""
        return random.Random(f"{self.seed} {salt}")

    @cached_property
    def tenants(self) -> list[Tenant]:
        """All organizations, the large one first."""
        weights = [1 / (number + 2) for number in range(len(ORGANIZATIONS) - 1)]
        shares = [LARGE, *((1 - LARGE) * weight / sum(weights) for weight in weights)]
        databases = self.collectors - self.collectors * STANDBYS_OF_100 // 100
        made: list[Tenant] = []
        for number, (name, share) in enumerate(zip(ORGANIZATIONS, shares, strict=True), 1):
            owned = _next(made, "databases", max(2, round(databases * share)))
            teams = _next(made, "teams", max(2, round(len(owned) / COLLECTORS_PER_TEAM)))
            watched = min(len(owned), max(1, round(self.databases * share)))
            texts = _next(made, "fingerprints", max(1, round(self.fingerprints * share)))
            made.append(Tenant(number, name, teams, owned, tuple(_spread(owned, teams, watched)), texts))
        return made

    @property
    def all_databases(self) -> int:
        """How many databases there are, with statements or without."""
        return self.tenants[-1].databases.stop - 1

    def tenant_of(self, database: int) -> Tenant:
        """Return whose database it is."""
        return next(tenant for tenant in self.tenants if database in tenant.databases)


def now_floored() -> datetime:
    """Return the beginning of the present five minutes: all before has been collected."""
    return periods.floor(datetime.now(UTC), periods.BUCKET)


def _next(made: list[Tenant], member: str, count: int) -> range:
    start: int = getattr(made[-1], member).stop if made else 1
    return range(start, start + count)


def _spread(databases: range, teams: range, count: int) -> Iterator[int]:
    """Choose databases with statements: many in the first teams, whose pages are looked at, the rest all over."""
    per_team = len(databases) // len(teams)
    busy = [
        databases[team * per_team + place]
        for team in range(min(BUSY_TEAMS, len(teams)))
        for place in range(min(BUSY_DATABASES, per_team - 1))
    ][: max(1, count // 2)]
    yield from busy
    rest, step = count - len(busy), max(1, (len(databases) - BUSY_TEAMS * per_team) // max(1, count - len(busy)))
    others = [number for number in reversed(databases) if number not in set(busy)]
    yield from others[::step][:rest]
