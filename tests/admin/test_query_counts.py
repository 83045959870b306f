"""How many statements each page of the admin asks: as many as the table says, however many rows there are.

After a change that is meant, DBPOWER_RECORD_COUNTS=1 writes the table anew: `tests/admin/query_counts.txt`.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from collectors.domain.roles import Role
from collectors.domain.sources import Engine
from collectors.models import (
    AuditEntry,
    Bucket,
    Command,
    ControlPlane,
    Gap,
    Heartbeat,
    Organization,
    SlowQuery,
    StatusChange,
    Team,
)
from collectors.services import presence
from tests.access.admin_routes import Place, Route, place, routes
from tests.access.rows import undone
from tests.admin.conftest import rows_of
from tests.cast import Cast, assemble, person, register

pytestmark = pytest.mark.django_db

TABLE: Final = Path(__file__).with_name("query_counts.txt")
HEAD: Final = """\
# SQL statements of each page of the admin, without savepoints: as SUPER_ADMIN, and as TEAM_LEAD of the rows' team.
# Written by `DBPOWER_RECORD_COUNTS=1 pytest tests/admin/test_query_counts.py`: look at the difference before you commit it.
"""
ROUTES: Final = [route for route in routes() if route.method == "GET"]
CALLERS: Final = ("root", "lead")
# So many more of everything: enough to see a statement for each, and less than a page, after which lists are counted too.
MORE: Final = 3

Counts = dict[str, tuple[int, ...]]


def recorded() -> Counts:
    """Return the table: counts by address."""
    lines = [line.split() for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return {words[0]: tuple(map(int, words[1:])) for words in lines}


def write(counts: Counts) -> None:
    """Write the table anew."""
    width = max(map(len, counts))
    rows = [f"{template:<{width}} {root:4} {lead:4}" for template, (root, lead) in sorted(counts.items())]
    TABLE.write_text(HEAD + "\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def counts(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, Counts]]:
    """Ask for everything with few rows, then with many."""
    with django_db_blocker.unblock(), undone():
        cast = assemble()
        somewhere = place(cast)
        happened(cast, MORE)
        # What is wrong is the same with few rows and with many, for both: what is not is not looked for.
        register(cast.shop, "never-heard", Engine.MYSQL)
        cookies = [signed_in(user) for user in (cast.root, cast.bob)]
        found = {"few": counted(somewhere, cookies)}
        add_more(cast)
        found["many"] = counted(somewhere, cookies)
        if os.environ.get("DBPOWER_RECORD_COUNTS"):
            write(found["few"])
        yield found


def signed_in(user: Any) -> dict[str, str]:
    """Return the cookies of somebody who is signed in."""
    client = Client()
    client.force_login(user)
    return {name: morsel.value for name, morsel in client.cookies.items()}


def counted(somewhere: Place, cookies: list[dict[str, str]]) -> Counts:
    """Return how many statements each address takes, for each caller."""
    client = Client()
    # Hardly anybody of the cast was ever heard. For how long that has been so must not depend on how quick this machine is.
    Heartbeat.objects.update(starting_since=timezone.now() - timedelta(hours=1))
    # Whoever was heard is not late before all pages were asked for, however long that takes.
    Heartbeat.objects.exclude(last_heartbeat=None).update(last_heartbeat=timezone.now() + timedelta(hours=1))
    presence.record_web()
    # Nor on when heartbeats were accepted first: from then on collectors are looked at that are late.
    ControlPlane.objects.update(accepting_since=timezone.now() - timedelta(days=1))
    return {route.template: tuple(asked(client, somewhere, route, sent) for sent in cookies) for route in ROUTES}


def asked(client: Client, somewhere: Place, route: Route, sent: dict[str, str]) -> int:
    """Return how many statements one answer took, the second time: some things are read once in a process."""
    for _ in range(2):
        client.cookies = SimpleCookie(sent)
        # Django keeps the last few thousand alone: one more would push out one that is counted.
        connection.queries_log.clear()
        with undone(), CaptureQueriesContext(connection) as captured:
            answer: Any = client.get(somewhere.path(route), somewhere.query(route))
            assert answer.status_code < 500
            if answer.streaming:
                list(answer.streaming_content)
    return sum("SAVEPOINT" not in query["sql"] for query in captured.captured_queries)


def add_more(cast: Cast) -> None:
    """Add rows to every table, some to the very rows that addresses name."""
    for number in range(MORE):
        tenant = Organization.objects.create(name=f"Tenant {number}")
        team = Team.objects.create(organization=cast.example, name=f"Team {number}")
        person(f"admin{number}@example.org", Role.ORG_ADMIN, tenant)
        person(f"user{number}@example.org", Role.USER, cast.example, cast.shop)
        person(f"lead{number}@example.org", Role.TEAM_LEAD, cast.example, team)
        rows_of(register(cast.shop, f"shop-{number}", Engine.MYSQL)[0], f"select {'x' * number} from orders")
        happened(cast, number)


def happened(cast: Cast, number: int) -> None:
    """Let something happen to the collector and its database."""
    collector, now = cast.collector, timezone.now()
    place: dict[str, Any] = {"organization_id": collector.organization_id}
    StatusChange.objects.create(
        **place, collector=collector, old_status="ONLINE", new_status="OFFLINE", cause="heartbeat"
    )
    Command.objects.create(
        **place, collector=collector, command="collect", expires_at=now, requested_by=cast.bob, state="expired"
    )
    AuditEntry.objects.create(
        **place,
        actor="bob@example.org",
        user_id=cast.bob.pk,
        action="x",
        object_type="collector",
        object_id=collector.pk,
    )
    since = now - timedelta(minutes=20 + number)
    place["database"] = collector.database
    Gap.objects.create(**place, source="slow_log", kind="missed", covered_from=since, covered_to=now)
    statement_id = SlowQuery.objects.filter(database=collector.database).values_list("statement_id", flat=True)[0]
    Bucket.objects.create(**place, statement_id=statement_id, started_at=since, calls=1, total_time_ns=1, rows=1)
    numbers = dict.fromkeys(("query_time_ns", "lock_time_ns", "rows_sent", "rows_examined", "rows_affected"), number)
    SlowQuery.objects.create(
        **place, **numbers, statement_id=statement_id, started_at=since, time_approximate=False, user_name="", host=""
    )


def test_every_page_is_in_the_table_and_the_other_way_round() -> None:
    assert sorted(recorded()) == sorted(route.template for route in ROUTES)


@pytest.mark.parametrize("template", [route.template for route in ROUTES])
def test_a_page_asks_no_more_than_is_recorded_however_many_rows_there_are(
    template: str, counts: dict[str, Counts]
) -> None:
    assert counts["few"][template] == counts["many"][template], "a statement for each row"
    assert counts["few"][template] == recorded().get(template), "another number than in the table"
