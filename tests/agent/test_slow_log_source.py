"""The source `slow_log` against real servers: every row once, whatever happens to the table."""

import time
from pathlib import Path
from typing import Any

import pytest

from dbpower_agent.client import Client
from dbpower_agent.database_config import parse_database_config
from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.mysql_session import MySQLSession
from dbpower_agent.sources.slow_log import SlowLogSource
from dbpower_agent.sources.slow_log_rotation import Rotation
from dbpower_agent.state import AgentState, Lease
from dbpower_agent.uploader import Uploader
from tests.agent.agents import eventually, make_tools, read_config, write_config
from tests.agent.backend import FakeBackend
from tests.agent.conftest import MySQLSite, mysql_site
from tests.servers.mariadb import MariaDB

OLD_TABLES = ("slow_log_backup", "slow_log_prev")


class Bench:
    """A slow-log source with its uploader, driven by hand."""

    def __init__(self, site: MySQLSite, backend: FakeBackend, folder: Path, **db_config: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.site, self.backend = site, backend
        config = read_config(write_config(folder, backend.url, "mysql", site.db_config))
        self.state = AgentState(collection_interval_minutes=5, config_version=1)
        self.state.set_lease(Lease(held=True, epoch=1))
        self.tools = make_tools(folder)
        self.uploader = Uploader(Client(config), self.tools.spool, self.state)
        object.__setattr__(self.tools, "cursors", self.uploader)
        parsed, problems = parse_database_config({**site.db_config, **db_config})
        assert problems == []
        self.source = SlowLogSource(MySQLSession(parsed), self.tools, old_tables=OLD_TABLES)
        self.uploader.sources = (self.source,)

    def collect(self) -> int:
        """One collection and its upload; returns the number of rows read."""
        collection = self.source.collect(1)
        while self.uploader.flush().read_again:
            self.source.collect(1)
        return collection.queries

    def collect_until(self, rows: int) -> None:
        """Collect until the backend has `rows` rows: a row is written after its client has the answer."""

        def enough() -> bool:
            self.collect()
            return len(self.backend.all_rows) >= rows

        eventually(enough, what=f"{rows} rows, there are {len(self.backend.all_rows)}")

    @property
    def fingerprints(self) -> list[str]:
        return [row["fingerprint"] for row in self.backend.all_rows]


def test_every_row_arrives_once_with_its_numbers(
    any_mysql_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(any_mysql_site, backend, tmp_path)
    any_mysql_site.run("SELECT SLEEP(0.05), 'first'", "SELECT SLEEP(0.03), 'second'")
    bench.collect_until(2)
    any_mysql_site.run("SELECT SLEEP(0.02), 'third'")
    bench.collect_until(3)
    bench.collect()
    rows = backend.all_rows
    assert len(rows) == any_mysql_site.logged() == 3
    assert [row["query_time"] >= least for row, least in zip(rows, (0.05, 0.03, 0.02), strict=True)] == [True] * 3
    assert all(0 <= row["age_seconds"] < 60 for row in rows)
    assert rows[0]["user"] == "root"
    assert rows[0]["host"] == "127.0.0.1"
    assert rows[0]["rows_sent"] == 1
    assert "first" not in rows[0]["fingerprint"]


def test_times_are_right_whatever_the_zone_of_the_session(
    any_mysql_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(any_mysql_site, backend, tmp_path)
    bench.collect()
    any_mysql_site.run("SELECT SLEEP(0.02)")
    bench.collect_until(1)
    for zone in ("+05:30", "-11:00", "+12:45", "+00:00"):
        any_mysql_site.run("SELECT SLEEP(0.02)", zone=zone)
    bench.collect_until(5)
    later = backend.all_rows[1:]
    assert [row["time_approximate"] for row in later] == [False] * 4
    assert all(0.01 < row["age_seconds"] < 30 for row in later)


def test_the_agent_never_appears_in_its_own_results(
    any_mysql_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    any_mysql_site.server.execute("SET GLOBAL long_query_time = 0")
    try:
        bench = Bench(any_mysql_site, backend, tmp_path)
        for _ in range(3):
            bench.collect()
        users = any_mysql_site.server.execute(
            "SELECT DISTINCT CAST(user_host AS CHAR), CAST(sql_text AS CHAR) FROM mysql.slow_log"
        )
    finally:
        any_mysql_site.server.execute("SET GLOBAL long_query_time = 0.01")
    # Its first statements, before the session is set up, are all the server can have logged.
    slow = [text for user, text in users if any_mysql_site.user in user and "slow_log" in text]
    assert slow == []


def test_identical_rows_stay_apart(mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path) -> None:
    mariadb_site.run("SELECT SLEEP(0.02)")
    eventually(lambda: mariadb_site.logged() == 1)
    mariadb_site.server.execute("SET GLOBAL slow_query_log = OFF")
    try:
        mariadb_site.server.execute("CREATE TABLE mysql.slow_log_next LIKE mysql.slow_log")
        for _ in range(3):
            mariadb_site.server.execute("INSERT INTO mysql.slow_log_next SELECT * FROM mysql.slow_log")
        mariadb_site.server.execute(
            "RENAME TABLE mysql.slow_log TO mysql.slow_log_prev, mysql.slow_log_next TO mysql.slow_log"
        )
        bench = Bench(mariadb_site, backend, tmp_path)
        bench.collect()
        bench.collect()
    finally:
        mariadb_site.server.execute("SET GLOBAL slow_query_log = ON")
    assert len(backend.all_rows) == 3


def test_a_restarted_agent_goes_on_at_the_backends_cursor(
    any_mysql_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    any_mysql_site.run("SELECT SLEEP(0.02), 1", "SELECT SLEEP(0.02), 2")
    Bench(any_mysql_site, backend, tmp_path / "first").collect_until(2)
    any_mysql_site.run("SELECT SLEEP(0.02), 3")
    Bench(any_mysql_site, backend, tmp_path / "second").collect_until(3)
    assert len(backend.all_rows) == 3
    assert backend.duplicates == 0


def test_rows_of_a_rotated_log_are_read_to_its_end(
    any_mysql_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    server = any_mysql_site.server
    server.execute("CREATE TABLE mysql.slow_log_prev LIKE mysql.slow_log")
    server.execute(f"GRANT SELECT ON mysql.slow_log_prev TO {any_mysql_site.user}@'127.0.0.1'")
    server.execute("DROP TABLE mysql.slow_log_prev")
    bench = Bench(any_mysql_site, backend, tmp_path)
    any_mysql_site.run("SELECT SLEEP(0.02), 1")
    bench.collect_until(1)
    any_mysql_site.run("SELECT SLEEP(0.02), 2")
    eventually(lambda: any_mysql_site.logged() == 2)
    server.execute("CREATE TABLE mysql.slow_log_next LIKE mysql.slow_log")
    server.execute("RENAME TABLE mysql.slow_log TO mysql.slow_log_prev, mysql.slow_log_next TO mysql.slow_log")
    any_mysql_site.run("SELECT SLEEP(0.02), 3")
    bench.collect_until(3)
    any_mysql_site.run("SELECT SLEEP(0.02), 4")
    bench.collect_until(4)
    assert sorted(len(rows) for rows in backend.rows.values()) == [2, 2]
    assert backend.duplicates == 0
    assert not any("reasons" in upload.get("completeness", {}) for upload in backend.uploads)


def test_a_truncated_log_is_a_gap_whose_size_the_server_knows(
    mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(mariadb_site, backend, tmp_path)
    mariadb_site.run("SELECT SLEEP(0.02), 1")
    bench.collect_until(1)
    mariadb_site.run("SELECT SLEEP(0.02), 2", "SELECT SLEEP(0.02), 3")
    eventually(lambda: mariadb_site.logged() == 3)
    mariadb_site.server.execute("TRUNCATE TABLE mysql.slow_log")
    mariadb_site.run("SELECT SLEEP(0.02), 4")
    bench.collect_until(2)
    completeness = (
        backend.uploads[-1]["completeness"] if backend.uploads[-1]["queries"] else backend.uploads[-2]["completeness"]
    )
    assert completeness["lost_rows"] == 2
    assert "truncated" in completeness["reasons"][0]
    assert len(backend.all_rows) == 2


def test_an_answer_that_gets_lost_counts_nothing_twice(
    mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(mariadb_site, backend, tmp_path)
    mariadb_site.run("SELECT SLEEP(0.02), 1", "SELECT SLEEP(0.02), 2")
    eventually(lambda: mariadb_site.logged() == 2)
    bench.source.collect(1)
    backend.lose_answers = 1
    assert bench.uploader.flush().retry_in is not None
    bench.uploader.flush()
    assert len(backend.all_rows) == 2
    assert backend.duplicates == 2


def test_a_backend_that_lost_rows_gets_them_again(
    mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(mariadb_site, backend, tmp_path)
    mariadb_site.run("SELECT SLEEP(0.02), 1")
    bench.collect_until(1)
    mariadb_site.run("SELECT SLEEP(0.02), 2")
    eventually(lambda: mariadb_site.logged() == 2)
    bench.source.collect(1)
    backend.cursors.clear()
    backend.rows.clear()
    assert bench.uploader.flush().read_again
    bench.collect()
    assert len(backend.all_rows) == 2
    assert sum(backend.lost.values()) == 0


def test_rows_that_are_gone_everywhere_are_declared_lost(
    mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(mariadb_site, backend, tmp_path)
    mariadb_site.run("SELECT SLEEP(0.02), 1")
    bench.collect_until(1)
    mariadb_site.run("SELECT SLEEP(0.02), 2")
    eventually(lambda: mariadb_site.logged() == 2)
    bench.source.collect(1)
    backend.cursors.clear()
    mariadb_site.server.execute("TRUNCATE TABLE mysql.slow_log")
    bench.uploader.flush()
    assert sum(backend.lost.values()) == 1
    assert len(backend.all_rows) == 2


def test_while_the_backend_is_away_the_spool_continues_the_cursor(
    mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(mariadb_site, backend, tmp_path)
    mariadb_site.run("SELECT SLEEP(0.02), 1")
    bench.collect_until(1)
    backend.failures = [(503, {"Retry-After": "1"})] * 20
    for number in (2, 3):
        mariadb_site.run(f"SELECT SLEEP(0.02), {number}")
        eventually(lambda: mariadb_site.logged() == number)  # noqa: B023  (called before the next round)
        bench.source.collect(1)
        assert bench.uploader.flush().retry_in is not None
    backend.failures = []
    assert len(bench.tools.spool.entries) == 2
    bench.uploader.flush()
    assert len(backend.all_rows) == 3
    assert backend.duplicates == 0


def test_refused_rows_are_offered_in_small_uploads_and_then_given_up(
    mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(mariadb_site, backend, tmp_path)
    mariadb_site.run(*[f"SELECT SLEEP(0.011), {number}" for number in range(120)])
    eventually(lambda: mariadb_site.logged() == 120)
    backend.refuse_uploads_with = 400
    bench.source.collect(1)
    bench.uploader.flush()
    assert bench.uploader.waiting == 0
    bench.source.collect(1)
    assert [bench.tools.spool.load(entry).count for entry in bench.tools.spool.entries] == [50, 50, 20]
    backend.failures = []
    bench.uploader.flush()
    backend.refuse_uploads_with = None
    mariadb_site.run("SELECT SLEEP(0.02), 'later'")
    eventually(lambda: mariadb_site.logged() == 121)
    for _ in range(4):
        bench.collect()
    assert sum(backend.lost.values()) + len(backend.all_rows) == 121
    assert len(backend.all_rows) >= 1


def test_raw_bytes_and_four_byte_characters_harm_nothing(
    any_mysql_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    with any_mysql_site.server.connect() as connection:
        connection.query(b"SELECT SLEEP(0.02), _binary'\xff\xfe\x00', '" + "🦜".encode() + b"' AS `caf\xc3\xa9`")
        connection.store_result()
    bench = Bench(any_mysql_site, backend, tmp_path)
    bench.collect_until(1)
    assert "\x00" not in backend.all_rows[0]["fingerprint"]


def test_a_missing_grant_is_a_finding_with_its_remedy(mariadb: MariaDB, backend: FakeBackend, tmp_path: Path) -> None:
    site = mysql_site(mariadb)
    mariadb.execute(f"REVOKE SELECT ON mysql.slow_log FROM {site.user}@'127.0.0.1'")
    bench = Bench(site, backend, tmp_path)
    with pytest.raises(SourceError) as caught:
        bench.source.probe()
    assert caught.value.code == "missing_privilege"
    assert caught.value.remedy == f"GRANT SELECT ON mysql.slow_log TO '{site.user}'@'127.0.0.1'"
    mariadb.execute(caught.value.remedy)
    assert bench.source.probe().readable


def test_grants_that_a_rotation_lacks_are_those_of_the_agents_own_account(mariadb: MariaDB) -> None:
    site = mysql_site(mariadb)
    rotation = Rotation(MySQLSession(parse_database_config(site.db_config)[0]), rows=1_000_000)
    with pytest.raises(SourceError) as caught:
        rotation.run(0)
    assert caught.value.code == "rotation_denied"
    for grant in (caught.value.remedy or "").split("; "):
        assert grant.endswith(f" TO '{site.user}'@'127.0.0.1'")
        mariadb.execute(grant)
    assert not rotation.run(0)


def test_a_log_that_goes_to_a_file_is_reported_with_its_remedy(
    mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(mariadb_site, backend, tmp_path)
    mariadb_site.server.execute("SET GLOBAL log_output = 'FILE'")
    try:
        status = bench.source.probe()
    finally:
        mariadb_site.server.execute("SET GLOBAL log_output = 'TABLE'")
    assert (status.readable, status.code, status.remedy) == (True, "log_output", "SET GLOBAL log_output = 'TABLE'")
    assert bench.source.probe().code is None


def test_an_open_read_never_holds_up_the_servers_own_logging(
    mariadb_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(mariadb_site, backend, tmp_path)
    mariadb_site.run("SELECT SLEEP(0.02)")
    bench.collect_until(1)
    began = time.monotonic()
    mariadb_site.server.execute("TRUNCATE TABLE mysql.slow_log")
    mariadb_site.run("SELECT SLEEP(0.02)")
    assert time.monotonic() - began < 2
