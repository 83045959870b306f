"""The fleet that `make load-data` makes is one that the product could have made."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.load.fleet.plan import Plan, now_floored
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
    command = [sys.executable, "-m", "tests.load.load_data", *SMALL]
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
