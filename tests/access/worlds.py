"""Random worlds of tenants: names, statements and people are shared between them as far as they can be.

Most rows carry a word that no other row carries, so that any text tells from which rows it was made.
"""

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from hypothesis import strategies as st

from collectors.domain.commands import CommandType
from collectors.domain.roles import Role
from collectors.domain.sources import Engine
from collectors.models import (
    AuditEntry,
    Bucket,
    Collection,
    Collector,
    Command,
    EnrolmentToken,
    Fingerprint,
    FingerprintNote,
    FingerprintTag,
    Gap,
    Heartbeat,
    Invitation,
    Membership,
    MonitoredDatabase,
    Organization,
    PersonalToken,
    Plan,
    QueryRate,
    SavedFilter,
    SlowQuery,
    Statement,
    StatusChange,
    Team,
    User,
)
from collectors.services import presence, rollups
from collectors.services.collectors import change_collector, register_collector
from collectors.services.commands import request_command
from tests.cast import PASSWORD, SOMEBODY, register

SHARED_TEXT = "select * from orders where id = ?"


@dataclass(frozen=True)
class Shape:
    """How many databases each team of each tenant watches, and who belongs where (tenant, team, role)."""

    tenants: list[list[int]]
    people: list[list[tuple[int, int, Role]]]
    seed: int


def shapes() -> st.SearchStrategy[Shape]:
    """Return worlds of two to four tenants. Numbers of tenants and teams in memberships are taken modulo what there is."""
    place = st.tuples(st.integers(0, 3), st.integers(0, 1), st.sampled_from(Role))
    tenants = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=2), min_size=2, max_size=4)
    people = st.lists(st.lists(place, max_size=3), min_size=2, max_size=3)
    return st.builds(Shape, tenants=tenants, people=people, seed=st.integers(0, 2**16))


# Every role in every kind of mixture, whatever else is drawn.
RICH = Shape(
    tenants=[[2, 1], [1, 1], [1]],
    people=[
        [(0, 0, Role.ORG_ADMIN)],
        [(0, 0, Role.TEAM_LEAD), (1, 0, Role.USER)],
        [(0, 0, Role.USER), (0, 1, Role.TEAM_LEAD), (1, 1, Role.USER)],
        [(1, 0, Role.ORG_ADMIN), (0, 1, Role.USER)],
        [],
    ],
    seed=0,
)


class Builder:
    """Builds one world at a fixed time."""

    def __init__(self, shape: Shape, now: datetime) -> None:
        self.shape, self.now = shape, now
        self.random = Random(shape.seed)
        self.numbers = itertools.count(100)

    def build(self) -> list[User]:
        """Create the world and return its people, first the SUPER_ADMIN."""
        presence.record_web()
        teams = [self._tenant(databases) for databases in self.shape.tenants]
        root = User.objects.create_superuser("root@example.org", PASSWORD)
        return [root, *(self._person(index, places, teams) for index, places in enumerate(self.shape.people))]

    def word(self) -> str:
        """Return a word that nothing else in this world holds."""
        return f"zq{next(self.numbers)}w"

    def _tenant(self, databases: list[int]) -> list[Team]:
        organization = Organization.objects.create(name=f"Example GmbH {self.word()}")
        teams = []
        for number, count in enumerate(databases):
            name = f"Shop {self.word()}" if number else "Shop"
            team = Team.objects.create(organization=organization, name=name)
            teams.append(team)
            for place in range(count):
                self.watched(team, name="orders" if place else f"orders {self.word()}")
            # Somebody whom nobody else knows.
            member = User.objects.create_user(f"{self.word()}@example.org", name=f"Sam {self.word()}")
            Membership.objects.create(user=member, organization=organization, team=team, role=Role.USER)
            EnrolmentToken.objects.create(
                organization=organization,
                team=team,
                name=f"hosts {self.word()}",
                type=Engine.MYSQL,
                region=self.word(),
                tags=[self.word()],
                token_hash=self.word(),
                max_uses=self.random.randrange(1, 9),
                expires_at=self.now + timedelta(days=7),
            )
            Invitation.objects.create(
                organization=organization,
                team=team,
                role=Role.USER,
                email=f"{self.word()}@example.org",
                token_hash=self.word(),
                expires_at=self.now + timedelta(days=7),
            )
        AuditEntry.objects.create(
            organization=organization, actor=f"cron {self.word()}", action="test", object_type="team", object_label="x"
        )
        return teams

    def _person(self, index: int, places: list[tuple[int, int, Role]], tenants: list[list[Team]]) -> User:
        user = User.objects.create_user(f"person{index}@example.org", PASSWORD, name=f"Kim {self.word()}")
        for tenant, number, role in places:
            teams = tenants[tenant % len(tenants)]
            team = teams[number % len(teams)]
            where = team if role.needs_team else None
            if not Membership.objects.filter(user=user, organization=team.organization, team=where).exists():
                Membership.objects.create(user=user, organization=team.organization, team=where, role=role)
        PersonalToken.objects.create(
            user=user, name=f"script {self.word()}", token_hash=self.word(), expires_at=self.now + timedelta(days=7)
        )
        SavedFilter.objects.create(
            user=user, name=f"mine {self.word()}", query=f"region={self.word()}", is_default=False
        )
        return user

    def watched(self, team: Team, *, name: str) -> MonitoredDatabase:
        """Create a database with one collector or two, and something in every table that hangs on them."""
        collector = register(team, name, Engine.MYSQL)[0]
        if self.random.random() < 0.5:
            other = register_beside(collector, f"standby {self.word()}")
            request_command(collector=other, command=CommandType.STOP, actor=SOMEBODY)
        for each in MonitoredDatabase.objects.get(pk=collector.database_id).collectors.all():
            change_collector(collector=each, region=self.word(), tags=["shared", self.word()], actor=SOMEBODY)
        word = self.word()
        Heartbeat.objects.filter(collector=collector).update(
            last_error=f"cannot {word}", queries_collected=self.random.randrange(999), last_heartbeat=self.now
        )
        QueryRate.objects.create(
            collector=collector,
            organization_id=team.organization_id,
            queries=1,
            collected_at=self.now,
            since=self.now - timedelta(minutes=10),
            per_minute=self.random.randrange(9_999),
        )
        StatusChange.objects.create(
            organization_id=team.organization_id,
            collector=collector,
            old_status="STARTING",
            new_status="ONLINE",
            cause="heartbeat",
            detail=f"cannot {self.word()}",
        )
        Collection.objects.create(
            organization_id=team.organization_id,
            collector=collector,
            source="slow_log",
            started_at=self.now - timedelta(minutes=4),
            received_at=self.now,
            interval_minutes=5,
            rows=self.random.randrange(9_999),
            calls=self.random.randrange(9_999),
            duplicates=0,
            is_stale=False,
            took_ms=self.random.randrange(999),
        )
        command = request_command(collector=collector, command=CommandType.COLLECT, actor=SOMEBODY)
        Command.objects.filter(pk=command.pk).update(result={"said": self.word()}, state="succeeded", ended_at=self.now)
        self._numbers(collector.database)
        return collector.database

    def _numbers(self, database: MonitoredDatabase) -> None:
        texts = [SHARED_TEXT, f"select {self.word()} from orders"]
        then = self.now - timedelta(minutes=10)
        for number, text in enumerate(texts):
            fingerprint, _ = Fingerprint.objects.get_or_create(
                organization_id=database.organization_id,
                fingerprint_id="0" * 16 if text == SHARED_TEXT else f"{database.pk:08x}{number:08x}",
                defaults={"text": text, "created_at": then},
            )
            theirs = {"organization_id": database.organization_id, "fingerprint": fingerprint}
            if not fingerprint.notes.exists():
                FingerprintNote.objects.create(**theirs, author_label="Sam", text=f"ask {self.word()}")
                FingerprintTag.objects.create(**theirs, name=self.word())
            statement = Statement.objects.create(
                organization_id=database.organization_id,
                database=database,
                source="slow_log",
                key=f"key {number} {self.word()}",
                schema_name="shop",
                user_name=self.word(),
                fingerprint=fingerprint,
                text_state="known",
            )
            self.execution(statement, then)
            Plan.objects.create(
                organization_id=database.organization_id,
                database=database,
                fingerprint=fingerprint,
                statement=statement,
                shape=self.word(),
                nodes=[{"depth": 0, "type": "Seq Scan", "relation": self.word()}],
                server_version="17.5",
            )
        for _ in range(self.random.randrange(3)):
            Gap.objects.create(
                organization_id=database.organization_id,
                database=database,
                source="slow_log",
                kind="lost_rows",
                amount=self.random.randrange(99),
                covered_from=then - timedelta(minutes=5),
                covered_to=then,
                detail=self.word(),
            )

    def execution(self, statement: Statement, then: datetime) -> None:
        """Add a slow query, and a bucket."""
        took = self.random.randrange(1, 9) * 10**9
        common = {"organization_id": statement.organization_id, "database_id": statement.database_id}
        SlowQuery.objects.create(
            **common,
            statement=statement,
            started_at=then,
            time_approximate=False,
            query_time_ns=took,
            lock_time_ns=0,
            rows_sent=1,
            rows_examined=self.random.randrange(99),
            rows_affected=0,
            user_name=self.word(),
            host="127.0.0.1",
        )
        Bucket.objects.create(
            **common,
            statement=statement,
            started_at=then,
            calls=self.random.randrange(1, 9),
            total_time_ns=took,
            rows=3,
        )
        rollups.mark(database=statement.database, level=rollups.HOURS, changed=[then])


def register_beside(collector: Collector, name: str) -> Collector:
    """Register a second collector of the same database."""
    return register_collector(
        team=collector.team,
        name=name,
        engine=Engine.MYSQL,
        config={"host": "127.0.0.1"},
        database=collector.database,
        actor=SOMEBODY,
    ).collector
