"""The monitored server is safe from its agent: one session, on a short leash, that hides itself and gives way."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dbpower_agent.database_config import parse_database_config
from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.mysql_connection import MySQLConnection, ReadLimitError
from dbpower_agent.sources.postgres_connection import PostgresConnection
from dbpower_agent.sources.slow_log import LARGEST_SHARE
from tests.agent.agents import eventually, last_stats, running_agent, write_config
from tests.agent.backend import FakeBackend
from tests.agent.conftest import MySQLSite, PostgresSite
from tests.agent.loads import fill_slow_log
from tests.agent.test_mysql_connection import MILLION
from tests.agent.test_slow_log_source import Bench

COLLECTIONS = 5


def mysql_connection(site: MySQLSite) -> MySQLConnection:
    return MySQLConnection(parse_database_config(site.db_config)[0])


def postgres_connection(site: PostgresSite) -> PostgresConnection:
    return PostgresConnection(parse_database_config(site.db_config)[0])


class Watch(threading.Thread):
    """Counts, all the time, the sessions that a server sees of its agent; `most` is the most there were at once."""

    def __init__(self, count: Any) -> None:
        super().__init__(daemon=True)
        self._count = count
        self._over = threading.Event()
        self.most = 0
        self.looks = 0

    def run(self) -> None:
        while not self._over.is_set():
            self.most = max(self.most, self._count())
            self.looks += 1

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self.join()


def collect_often(backend: FakeBackend, config: Path) -> None:
    """Run an agent through its start, several collections, a new configuration and its end."""
    with running_agent(config) as agent:
        for number in range(1, COLLECTIONS + 1):
            backend.command(number, "collect")
            eventually(lambda: len(backend.reports) == number)  # noqa: B023  (called before the next round)
        assert all(report["success"] for _, report in backend.reports)
        agent.terminate()


def test_an_agent_has_at_most_one_session_on_mysql_and_mariadb(
    any_mysql_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    site = any_mysql_site
    site.server.execute(f"GRANT SELECT ON performance_schema.* TO {site.user}@'127.0.0.1'")
    config = write_config(tmp_path, backend.url, "mysql", site.db_config, sources=["slow_log", "performance_schema"])
    with site.server.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("SET SESSION long_query_time = 1000")

        def sessions() -> int:
            cursor.execute(f"SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{site.user}'")
            return int(cursor.fetchone()[0])

        with Watch(sessions) as watch:
            collect_often(backend, config)
        eventually(lambda: sessions() == 0)
    assert watch.most == 1
    assert watch.looks > 20


def test_an_agent_has_at_most_one_session_on_postgresql(
    any_postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path
) -> None:
    site = any_postgresql_site
    backend.want_texts = True
    with site.server.connect() as connection:

        def sessions() -> int:
            rows = connection.execute(
                "SELECT application_name FROM pg_stat_activity WHERE usename = %s", [site.role]
            ).fetchall()
            # For a moment after its start a session has no name yet.
            assert {name for (name,) in rows} <= {"dbpower-agent", ""}
            return len(rows)

        with Watch(sessions) as watch:
            collect_often(backend, write_config(tmp_path, backend.url, "postgres", site.db_config))
        eventually(lambda: sessions() == 0)
    assert watch.most == 1
    assert watch.looks > 20


def test_a_statement_that_runs_too_long_is_ended_by_the_server_itself(any_mysql_site: MySQLSite) -> None:
    connection = mysql_connection(any_mysql_site)
    # The time of one statement without a stream, in seconds on MariaDB and in milliseconds on MySQL.
    limit = connection.value("SELECT @@max_statement_time" if connection.is_mariadb else "SELECT @@max_execution_time")
    assert float(limit or 0) == (15 if connection.is_mariadb else 15_000)
    connection._limit(1)
    with pytest.raises(ReadLimitError):
        connection.rows(f"SELECT COUNT(*) FROM ({MILLION}) a CROSS JOIN ({MILLION}) b")
    assert connection.closed


def test_a_statement_that_runs_too_long_is_ended_by_postgresql_itself(any_postgresql_site: PostgresSite) -> None:
    connection = postgres_connection(any_postgresql_site)
    assert connection.rows("SELECT set_config('statement_timeout', '100', false)") == [("100ms",)]
    with pytest.raises(SourceError, match="statement timeout"):
        connection.rows("SELECT pg_sleep(20)")
    assert connection.closed


def test_the_agent_on_postgresql_waits_two_seconds_for_a_lock_and_holds_none(
    any_postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path
) -> None:
    server = any_postgresql_site.server
    server.execute("DROP TABLE IF EXISTS locked; CREATE TABLE locked (id int); GRANT SELECT ON locked TO PUBLIC")
    connection = postgres_connection(any_postgresql_site)
    with server.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE locked")
        with pytest.raises(SourceError, match="lock timeout"):
            connection.rows("SELECT * FROM locked")
    connection = postgres_connection(any_postgresql_site)
    connection.rows("SELECT * FROM locked")
    held = server.execute(
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'dbpower-agent'"
    )
    assert held == [(0,)]
    connection.close()


def test_the_agent_on_mysql_waits_briefly_for_a_table_that_is_locked(any_mysql_site: MySQLSite) -> None:
    server = any_mysql_site.server
    server.execute("CREATE DATABASE IF NOT EXISTS scratch")
    server.execute("CREATE TABLE IF NOT EXISTS scratch.locked (id int)")
    server.execute(f"GRANT SELECT ON scratch.* TO {any_mysql_site.user}@'127.0.0.1'")
    connection = mysql_connection(any_mysql_site)
    with server.connect() as holder:
        holder.query("LOCK TABLES scratch.locked WRITE")
        with pytest.raises(SourceError, match="wait timeout exceeded"):
            connection.rows("SELECT * FROM scratch.locked")


def test_the_agents_session_never_keeps_a_transaction_open(any_mysql_site: MySQLSite) -> None:
    server = any_mysql_site.server
    server.execute("CREATE DATABASE IF NOT EXISTS scratch")
    server.execute("CREATE TABLE IF NOT EXISTS scratch.transactional (id int) ENGINE=InnoDB")
    server.execute(f"GRANT SELECT ON scratch.* TO {any_mysql_site.user}@'127.0.0.1'")
    connection = mysql_connection(any_mysql_site)
    # The log alone begins no transaction; where one is open, it keeps the lock on the log.
    connection.rows("SELECT start_time FROM mysql.slow_log LEFT JOIN scratch.transactional ON true LIMIT 1")
    # A lock left behind would hold up this, and with it everybody who logs a slow statement.
    with server.connect() as other:
        other.query("SET SESSION lock_wait_timeout = 1")
        other.query("TRUNCATE TABLE mysql.slow_log")
    connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("change", ["truncate", "rename"])
def test_a_rotation_that_comes_while_the_agent_reads_waits_for_the_read_and_not_for_the_uploads(
    change: str, mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that stopped in the middle would hold up the rotation, and every statement that is to be logged."""
    # Thirty megabytes, more than a connection holds on its way.
    fill_slow_log(mariadb_site, 3_000, filler_bytes=10_000)
    server = mariadb_site.server
    server.execute("DROP TABLE mysql.slow_log_prev")
    server.execute("CREATE TABLE mysql.slow_log_next LIKE mysql.slow_log")
    rotate = {
        "truncate": "TRUNCATE TABLE mysql.slow_log",
        "rename": "RENAME TABLE mysql.slow_log TO mysql.slow_log_prev, mysql.slow_log_next TO mysql.slow_log",
    }[change]
    bench = Bench(mariadb_site, backend, tmp_path)
    rotated = threading.Event()

    def rotating() -> None:
        server.execute(rotate)
        rotated.set()

    rotator = threading.Thread(target=rotating)
    waiting = f"SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%' AND info LIKE '{rotate[:8]}%'"
    calls = 0

    def at_work() -> None:
        """Called for every thousand rows that are drained."""
        nonlocal calls
        calls += 1
        if calls == 1:
            rotator.start()
            eventually(lambda: server.execute(waiting) == [(1,)], what="the rotation waits")

    monkeypatch.setattr(bench.source._tables, "_still_alive", at_work)
    monkeypatch.setattr(bench.source, "_write", written_after(bench.source._write, rotated))
    assert bench.source.collect(1).queries == 3_000
    rotator.join(10)
    assert rotated.is_set()
    bench.uploader.flush()
    assert len(backend.all_rows) == 3_000


def written_after(write: Any, rotated: threading.Event) -> Any:
    """The rows are turned into uploads only when the rotation is through: with the statement open it never would be."""

    def waits(*arguments: Any) -> Any:
        assert rotated.wait(10), "the agent holds the log while it works on its rows"
        return write(*arguments)

    return waits


@pytest.mark.slow
def test_the_log_is_read_more_rarely_as_it_grows(mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path) -> None:
    pauses = []
    for rows in (100, 15_000):
        mariadb_site.server.execute("DROP TABLE IF EXISTS mysql.slow_log_prev, mysql.slow_log_next")
        mariadb_site.server.execute("TRUNCATE TABLE mysql.slow_log")
        fill_slow_log(mariadb_site, rows)
        bench = Bench(mariadb_site, backend, tmp_path / str(rows))
        bench.collect()
        began = time.monotonic()
        assert bench.source.collect(1).queries == 0
        took = time.monotonic() - began
        # Of all its time the agent spends at most a hundredth on reading, even where nothing is new.
        assert bench.source.pause_seconds <= took / LARGEST_SHARE
        pauses.append(bench.source.pause_seconds)
    assert pauses[0] < pauses[1]


@pytest.mark.slow
def test_a_pause_longer_than_the_interval_is_kept(
    mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    """Ten thousand rows need some tens of milliseconds, so at least a second must pass between two reads."""
    fill_slow_log(mariadb_site, 10_000)
    backend.interval_minutes = 0.001
    backend.pace = 0.2
    with running_agent(write_config(tmp_path, backend.url, "mysql", mariadb_site.db_config)):
        eventually(lambda: len(backend.all_rows) == 10_000, seconds=60)
        asked = len(backend.uploads)
        beats = len(backend.heartbeats)
        eventually(lambda: len(backend.heartbeats) >= beats + 10)
        # At the interval of 0.06 seconds there would have been over thirty in that time, each asking for the cursor.
        assert len(backend.uploads) - asked <= 5
    assert last_stats(backend)["errors_count"] == 0


def test_the_agents_statements_appear_nowhere_in_what_it_sends(
    any_mysql_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    """Over the whole life of an agent process, both sources, and with a log that takes down everything."""
    site = any_mysql_site
    site.server.execute(f"GRANT SELECT ON performance_schema.* TO {site.user}@'127.0.0.1'")
    site.server.execute("TRUNCATE performance_schema.events_statements_summary_by_digest")
    site.server.execute("SET GLOBAL long_query_time = 0")
    backend.want_texts = True
    try:
        config = write_config(
            tmp_path, backend.url, "mysql", site.db_config, sources=["slow_log", "performance_schema"]
        )
        collect_often(backend, config)
    finally:
        site.server.execute("SET GLOBAL long_query_time = 0.01")
    texts = [text or "" for text in backend.texts.values()]
    assert not [text for text in texts if "dbpower_agent_own" in text.lower()]
    mine = [row["fingerprint"] for row in backend.all_rows if row["user"] == site.user]
    # The server may log what comes before the session could be set up, and nothing of the log.
    assert not [text for text in mine if "slow_log" in text or "performance_schema" in text]
