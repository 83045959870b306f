"""`manage.py audit_ledger` against live servers: it agrees whatever happened to them, and finds every number that was changed."""

import json
import sqlite3
from typing import Any

import pytest

from tests.faults.conftest import WorldOf
from tests.faults.load import load_of, mysql_load, postgresql_load
from tests.faults.world import World
from tests.servers import MariaDB, PostgreSQL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def audit(world: World) -> dict[str, Any]:
    """Return what the command prints, with its exit status."""
    asked = ["audit_ledger", "--json", "--database", str(world.collector["database_id"])]
    done = world.control_plane.managed(*asked)
    assert done.returncode in {0, 1}, done.stderr
    found: dict[str, Any] = {**json.loads(done.stdout), "status": done.returncode}
    return found


def change(world: World, sql: str) -> None:
    """Change the control plane's numbers behind its back."""
    with sqlite3.connect(world.control_plane.folder / "data" / "dbpower.sqlite3", timeout=20) as connection:
        assert connection.execute(sql.format(database=world.collector["database_id"])).rowcount > 0


def assert_agrees(world: World, *, calls: int) -> None:
    found = audit(world)
    assert (found["status"], [one["worst"] for one in found["audits"]]) == (0, [[]] * len(found["audits"])), found
    assert found["audits"][0]["stored_calls"] >= calls
    assert found["audits"][0]["counted_calls"] == found["audits"][0]["stored_calls"]


def test_an_audit_agrees_while_load_runs_after_kills_and_restarts(
    either: PostgreSQL | MariaDB, world_of: WorldOf
) -> None:
    world, load = world_of(either).watch(), load_of(either)
    with load.going_on():
        world.uploads(2)
        world.kill_agent()
        world.start_agent()
        world.uploads(2)
        assert_agrees(world, calls=1)
    either.restart()
    world.collect()
    load.run(10)
    world.collect()
    assert_agrees(world, calls=10)


def test_an_audit_agrees_after_resets_for_what_went_is_gone_on_both_sides(
    any_postgresql: PostgreSQL, world_of: WorldOf
) -> None:
    world, load = world_of(any_postgresql).watch(), postgresql_load(any_postgresql)
    load.run(20)
    world.collect()
    any_postgresql.execute(
        "SELECT pg_stat_statements_reset(userid, dbid, queryid) FROM pg_stat_statements WHERE query LIKE '%load_text%'"
    )
    load.run(20)
    assert_agrees(world, calls=20)
    any_postgresql.execute("SELECT pg_stat_statements_reset()")
    load.run(20)
    assert_agrees(world, calls=20)


ONE = "database_id = {database} AND calls = (SELECT max(calls) FROM query_buckets WHERE database_id = {database})"


@pytest.mark.parametrize(
    ("sql", "calls"),
    [
        (
            f"UPDATE query_buckets SET calls = calls + 3 WHERE rowid = (SELECT rowid FROM query_buckets WHERE {ONE} LIMIT 1)",
            3,
        ),
        ("UPDATE query_buckets SET total_time_ns = total_time_ns + 1 WHERE database_id = {database}", 0),
        ("DELETE FROM query_buckets WHERE database_id = {database}", -20),
    ],
    ids=["calls added", "a nanosecond added", "buckets gone"],
)
def test_an_audit_finds_numbers_that_were_changed(
    sql: str, calls: int, either: PostgreSQL | MariaDB, world_of: WorldOf
) -> None:
    world, load = world_of(either).watch(), load_of(either)
    load.run(20)
    world.all_counted(20)
    world.collect()
    world.collect()
    change(world, sql)
    found = audit(world)
    assert found["status"] == 1
    differences = [
        one for audited in found["audits"] for one in audited["worst"] if "load_" in (one["fingerprint"] or "")
    ]
    assert sum(one["stored"]["calls"] - one["counted"]["calls"] for one in differences) == calls
    assert differences


def test_an_audit_finds_executions_that_are_missing_or_there_twice(mariadb: MariaDB, world_of: WorldOf) -> None:
    mariadb.start()
    world, load = world_of(mariadb).watch(), mysql_load(mariadb)
    load.run(10)
    world.all_counted(10)
    world.collect()
    change(
        world,
        "INSERT INTO slow_queries SELECT (SELECT max(id) + 1 FROM slow_queries), organization_id, database_id, statement_id,"
        " started_at, time_approximate, query_time_ns, lock_time_ns, rows_sent, rows_examined, rows_affected, user_name, host,"
        " generation, position FROM slow_queries WHERE database_id = {database} LIMIT 1",
    )
    found = audit(world)
    assert found["status"] == 1
    assert [one["stored_calls"] - one["counted_calls"] for one in found["audits"]] == [1, -1], (
        "one more execution than the log has, and than the numbers have"
    )


def test_nobody_who_reads_the_database_is_an_answer_too(postgresql: PostgreSQL, world_of: WorldOf) -> None:
    postgresql.start()
    world = world_of(postgresql)
    done = world.control_plane.managed("audit_ledger", "--database", str(world.collector["database_id"]))
    assert (done.returncode, "No agent reads this database now" in done.stderr) == (2, True)
