"""The fleet that `make load-data` makes is one that the product could have made."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from collectors.domain import plans
from tests.load.fleet import opened
from tests.load.fleet.plan import Plan, now_floored
from tests.load.load_data import plan_of
from tests.servers import PostgreSQL

pytestmark = [pytest.mark.slow, pytest.mark.postgresql]

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = "--collectors 300 --fingerprints 200 --databases 12 --days 16 --bucket-days 2 --statements 40".split()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with a small fleet, made in two goes."""
    with PostgreSQL() as server:
        address = server.create_database("fleet")
        environment = {**os.environ, "DATABASE_URL": address, "DBPOWER_LOAD_DIR": str(tmp_path_factory.mktemp("load"))}
        loaded(environment)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("DELETE FROM load_data.steps WHERE name IN ('marks')")
            connection.execute("TRUNCATE dirty_hours, dirty_days, dirty_weeks")
        assert "1 of " in loaded(environment)
        yield address


def loaded(environment: dict[str, str]) -> str:
    """Run the program to its end and return what it printed."""
    return run("load_data", *SMALL, environment=environment)


def run(program: str, *options: str, environment: dict[str, str]) -> str:
    """Run one of the programs to its end and return what it printed."""
    command = [sys.executable, "-m", f"tests.load.{program}", *options]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    """Return the rows of a statement."""
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_databases_cost_what_their_statements_cost(url: str) -> None:
    sums = "SELECT count(DISTINCT (database_id, started_at)), sum(calls), sum(total_time_ns) FROM"
    for resolution in ("hours", "days", "weeks"):
        ((slots, *costs),) = rows(url, f"{sums} database_{resolution}")
        assert [(slots, *costs)] == rows(url, f"{sums} query_{resolution}")
        assert slots


@pytest.mark.parametrize(
    ("finer", "coarser", "width"),
    [
        ("query_buckets", "query_hours", "1 hour"),
        ("query_hours", "query_days", "1 day"),
        ("query_days", "query_weeks", "7 days"),
    ],
)
def test_coarser_slots_are_the_sums_of_finer_ones_where_these_are_here(
    url: str, finer: str, coarser: str, width: str
) -> None:
    differing = rows(
        url,
        f"""
        SELECT count(*), count(*) FILTER (WHERE c.calls IS DISTINCT FROM f.calls OR c.total_time_ns IS DISTINCT FROM f.time
            OR c.wal_bytes IS DISTINCT FROM f.wal)
        FROM {coarser} c LEFT JOIN (
            SELECT statement_id, date_bin('{width}', started_at, '1970-01-01 00:00:00+00') AS at, sum(calls) AS calls,
                sum(total_time_ns) AS time, sum(wal_bytes) AS wal
            FROM {finer} GROUP BY 1, 2
        ) f ON f.statement_id = c.statement_id AND f.at = c.started_at
        WHERE c.started_at >= (SELECT date_bin('{width}', min(started_at), '1970-01-01 00:00:00+00') FROM {finer})
        """,
    )
    ((count, wrong),) = differing
    assert isinstance(count, int)
    assert (count > 100, wrong) == (True, 0)


def test_the_time_of_single_executions_is_that_of_their_buckets(url: str) -> None:
    ((executions, time),) = rows(
        url,
        "SELECT count(*), sum(query_time_ns) FROM slow_queries WHERE started_at >= "
        "(SELECT min(started_at) FROM query_buckets)",
    )
    ((calls, total),) = rows(
        url,
        "SELECT sum(calls), sum(total_time_ns) FROM query_buckets b JOIN statements s ON s.id = b.statement_id WHERE source = 'slow_log'",
    )
    assert (executions, time) == (calls, total)


def test_a_statement_has_one_row_in_each_slot_and_belongs_to_the_organization_of_its_database(url: str) -> None:
    for table in ("statements", "completeness_gaps", "collectors", "query_days", "slow_queries"):
        assert rows(
            url,
            f"SELECT count(*) FROM {table} t JOIN monitored_databases d ON d.id = t.database_id "
            "WHERE d.organization_id <> t.organization_id",
        ) == [(0,)]


def test_the_last_status_change_of_a_collector_is_its_status(url: str) -> None:
    assert rows(
        url,
        """
        SELECT count(*) FROM collector_heartbeats h JOIN LATERAL (
            SELECT new_status FROM status_changes s WHERE s.collector_id = h.collector_id ORDER BY changed_at DESC LIMIT 1
        ) last ON true WHERE last.new_status <> h.status
        """,
    ) == [(0,)]


# Of those that flipped: a silence begins with the last heartbeat before it.
SILENCES = """
SELECT collector_id, coalesce(last_heartbeat, changed_at) AS since,
    coalesce(lead(changed_at) OVER (PARTITION BY collector_id ORDER BY changed_at, id), 'infinity') AS until, new_status
FROM status_changes
"""


def test_a_collector_brings_something_at_each_interval_and_only_while_it_is_heard(url: str) -> None:
    holes = rows(
        url,
        f"""
        SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM ({SILENCES}) w WHERE w.collector_id = gaps.collector_id
            AND new_status <> 'ONLINE' AND w.since < gaps.started_at AND w.until > gaps.before))
        FROM (SELECT *, lag(started_at) OVER (PARTITION BY collector_id ORDER BY started_at) AS before
            FROM collections WHERE source <> 'slow_log' AND NOT is_stale) gaps
        WHERE started_at - before > interval_minutes * interval '90 seconds'
        """,
    )
    ((found, unexplained),) = holes
    assert isinstance(found, int)
    assert (found > 0, unexplained) == (True, 0)
    ((most, days),) = rows(
        url,
        """
        SELECT max(n), extract(epoch FROM max(until) - min(since)) / 86400 FROM (
            SELECT count(*) AS n, min(started_at) AS since, max(started_at) AS until FROM collections
            WHERE source <> 'slow_log' AND NOT is_stale GROUP BY collector_id) found
        """,
    )
    assert isinstance(most, int)
    assert most == pytest.approx(288 * float(str(days)), abs=2)


def test_collections_bring_the_calls_of_the_hours_that_they_were_read_in(url: str) -> None:
    ((hours, wrong),) = rows(
        url,
        f"""
        WITH brought AS (
            SELECT collector_id AS database_id, source, sum(calls) AS calls,
                date_trunc('hour', started_at - interval '5 minutes') AS at
            FROM collections WHERE NOT is_stale AND started_at > received_at - interval '5 seconds' GROUP BY 1, 2, 4
        ), counted AS (
            SELECT s.database_id, s.source, h.started_at AS at, sum(h.calls) AS calls
            FROM query_hours h JOIN statements s ON s.id = h.statement_id GROUP BY 1, 2, 3
        )
        SELECT count(*), count(*) FILTER (WHERE b.calls <> c.calls) FROM brought b JOIN counted c USING (database_id, source, at)
        WHERE NOT EXISTS (SELECT 1 FROM ({SILENCES}) w WHERE w.collector_id = database_id AND new_status <> 'ONLINE'
            AND w.since < at + interval '2 hours' AND w.until > at - interval '1 hour')
        """,
    )
    assert isinstance(hours, int)
    assert (hours > 1000, wrong) == (True, 0)


def test_its_plans_are_such_as_agents_report(url: str) -> None:
    found: list[tuple[Any, ...]] = rows(url, "SELECT server_version, nodes, omitted, shape FROM plans")
    assert len(found) > 20
    for version, nodes, omitted, shape in found:
        plan = plans.parse_plan({"server_version": version, "nodes": nodes, "omitted": omitted})
        assert (plan.nodes, plans.shape(plan.nodes)) == (nodes, shape)


def test_the_bench_opens_rows_that_have_something_to_show(url: str, tmp_path: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": url, "DBPOWER_LOAD_DIR": str(tmp_path)}
    others = r"^(?!/admin/(collectors/(collector|organization|team|user)/\{id\}/change|queries/\{id\}(/plan)?)/(\?plan=.*)?$)"
    printed = run("bench_console", "--rounds", "1", "--who", "TEAM_LEAD", "--skip", others, environment=environment)
    measured = [line.split() for line in printed.splitlines() if line.startswith("/admin/")]
    # A status stands behind the numbers where it is not 200.
    answered = {columns[0] for columns in measured if set(columns[8:]) <= {"OVER"}}
    assert answered == {
        "/admin/collectors/collector/{id}/change/",
        "/admin/collectors/organization/{id}/change/",
        "/admin/collectors/team/{id}/change/",
        "/admin/collectors/user/{id}/change/",
        "/admin/queries/{id}/",
        "/admin/queries/{id}/?plan=…&statement=…",
        "/admin/queries/{id}/plan/?plan=…&statement=…",
    }
    _, _, collector, query, _ = opened.addresses(url, plan_of(url))
    ((brought,),) = rows(url, f"SELECT count(*) FROM collections WHERE collector_id = {collector.split('/')[4]}")
    ((known,),) = rows(url, f"SELECT count(*) FROM plans WHERE fingerprint_id = {query.split('/')[3]}")
    assert isinstance(brought, int)
    assert isinstance(known, int)
    assert (brought > 3000, known > 1) == (True, True)


def test_its_audit_verifies(url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "verify_audit"],
        cwd=REPOSITORY,
        env={**os.environ, "DATABASE_URL": url, "DBPOWER_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_seed_makes_the_same_tenants_whatever_the_time() -> None:
    one, other = Plan(now_floored(), collectors=5000), Plan(now_floored(), collectors=5000)
    assert one.tenants == other.tenants
    assert one.is_like(Plan.from_json(other.as_json()))
    assert not one.is_like(Plan(now_floored(), collectors=4000))
