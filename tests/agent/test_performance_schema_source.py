"""The source `performance_schema` against real servers: complete, exact, and without the agent itself."""

from pathlib import Path
from typing import Any

import pytest

from dbpower_agent.client import Client
from dbpower_agent.database_config import parse_database_config
from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.digest_columns import DigestColumns, DigestRow
from dbpower_agent.sources.mysql_connection import MARK
from dbpower_agent.sources.mysql_session import MySQLSession
from dbpower_agent.sources.performance_schema import PerformanceSchemaSource
from dbpower_agent.sources.slow_log import SlowLogSource
from dbpower_agent.state import AgentState, Lease
from dbpower_agent.uploader import Uploader
from tests.agent.agents import make_tools, read_config, write_config
from tests.agent.backend import FakeBackend
from tests.agent.conftest import MySQLSite
from tests.servers.mariadb import MySQLFamily

TABLE = "performance_schema.events_statements_summary_by_digest"


class Bench:
    """Both sources over one connection, with their uploader, driven by hand."""

    def __init__(self, site: MySQLSite, backend: FakeBackend, folder: Path) -> None:
        self.backend = backend
        config = read_config(write_config(folder, backend.url, "mysql", site.db_config))
        state = AgentState(collection_interval_minutes=5, config_version=1)
        state.set_lease(Lease(held=True, epoch=1))
        self.tools = make_tools(folder)
        self.uploader = Uploader(Client(config), self.tools.spool, state)
        parsed, problems = parse_database_config(site.db_config)
        assert problems == []
        self.session = MySQLSession(parsed)
        self.source = PerformanceSchemaSource(self.session, self.tools)
        self.slow_log = SlowLogSource(self.session, self.tools, old_tables=())
        self.uploader.sources = (self.source, self.slow_log)

    def collect(self) -> dict[str, Any]:
        self.source.probe()
        self.source.collect(1)
        assert self.uploader.flush().retry_in is None
        return self.backend.snapshots[-1]


@pytest.fixture
def site(any_mysql_site: MySQLSite) -> MySQLSite:
    """A server with an empty table of digests, and an account that may read it."""
    server = any_mysql_site.server
    server.execute(f"GRANT SELECT ON performance_schema.* TO {any_mysql_site.user}@'127.0.0.1'")
    server.execute(f"TRUNCATE {TABLE}")
    return any_mysql_site


def truth(server: MySQLFamily) -> dict[str, tuple[Any, ...]]:
    """The server's own counters of everybody but the agent. The question itself is counted after its answer."""
    rows = server.execute(
        "SELECT CONCAT(IFNULL(SCHEMA_NAME, ''), ':', IFNULL(DIGEST, '')), COUNT_STAR, SUM_TIMER_WAIT DIV 1000,"
        " SUM_ROWS_SENT, MIN_TIMER_WAIT DIV 1000, MAX_TIMER_WAIT DIV 1000, SUM_ROWS_EXAMINED, SUM_ERRORS"
        f" FROM {TABLE} WHERE DIGEST_TEXT IS NULL OR LOCATE('{MARK}', DIGEST_TEXT) = 0"
    )
    return {row[0]: row[1:] for row in rows}


def run(server: MySQLFamily, *statements: str, database: str = "") -> None:
    with server.connect(database) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
            cursor.fetchall()


def test_a_snapshot_equals_the_servers_own_counters(site: MySQLSite, backend: FakeBackend, tmp_path: Path) -> None:
    run(site.server, *(f"SELECT {number}, 'load'" for number in range(7)), "SELECT SLEEP(0.01)")
    bench = Bench(site, backend, tmp_path)
    bench.collect()
    expected = truth(site.server)
    snapshot = bench.collect()
    sent = {row["key"]: row for row in snapshot["queries"]}
    assert set(expected) <= set(sent)
    changed = []
    for key, (calls, total, rows, least, most, examined, errors) in expected.items():
        row = sent[key]
        if (row["calls"], row["total_time_ns"]) != (calls, total):
            changed.append(key)
            continue
        assert (row["rows"], row["min_time_ns"], row["max_time_ns"]) == (rows, least, most)
        assert (row["counters"]["rows_examined"], row["counters"]["errors"]) == (examined, errors)
    # The connection that asked for the truth sent two statements before it.
    assert len(changed) <= 2
    assert any(row["calls"] == 7 for row in sent.values())
    assert snapshot["rows"] == len(sent)
    assert snapshot["generation"].startswith(f"{snapshot['server_id']}:")
    assert snapshot["completeness"]["capacity"] > 0


def test_the_agents_own_statements_never_appear(site: MySQLSite, backend: FakeBackend, tmp_path: Path) -> None:
    bench = Bench(site, backend, tmp_path)
    before = truth(site.server)
    backend.want_texts = True
    for _ in range(3):
        bench.collect()
        bench.slow_log.probe()
        bench.slow_log.collect(1)
        bench.uploader.flush()
    bench.session.close()
    bench.collect()
    sent = {row["key"]: row["calls"] for row in backend.snapshots[-1]["queries"]}
    # What asked for the truth is known: one connection, one statement about it. All else stands still.
    grown = {key: calls - before[key][0] for key, calls in sent.items() if key in before and calls > before[key][0]}
    texts = [backend.texts[key] for key in set(sent) - set(before)]
    assert (grown, len(texts)) == ({}, 1), texts
    assert not any(MARK in (text or "") for text in backend.texts.values())


def test_where_the_account_may_the_server_does_not_even_count_the_agent(
    site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    site.server.execute(f"GRANT UPDATE ON performance_schema.threads TO {site.user}@'127.0.0.1'")
    bench = Bench(site, backend, tmp_path)
    bench.collect()
    for _ in range(3):
        bench.collect()
    (calls,) = site.server.execute(f"SELECT SUM(COUNT_STAR) FROM {TABLE} WHERE DIGEST_TEXT LIKE '%{MARK}%FIRST_SEEN%'")
    assert calls == (None,)


def test_wanted_texts_are_sent_without_literals(site: MySQLSite, backend: FakeBackend, tmp_path: Path) -> None:
    run(site.server, "SELECT 'canary-literal-1' AS wanted")
    bench = Bench(site, backend, tmp_path)
    backend.want_texts = True
    snapshot = bench.collect()
    assert set(backend.texts) == {row["key"] for row in snapshot["queries"]}
    assert "select ? as `wanted`" in backend.texts.values()
    assert "canary" not in str(backend.texts)


def test_a_key_the_server_no_longer_has_is_answered_with_null(
    site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(site, backend, tmp_path)
    parts = list(bench.source.wanted_texts([f"shop:{'0' * 32}", "no key at all"]))
    assert [part.count for part in parts] == [2]


def test_a_missing_grant_is_a_finding_whose_remedy_mends_it(
    any_mysql_site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(any_mysql_site, backend, tmp_path)
    with pytest.raises(SourceError) as caught:
        bench.source.probe()
    assert caught.value.code == "missing_privilege"
    assert caught.value.remedy == f"GRANT SELECT ON performance_schema.* TO '{any_mysql_site.user}'@'127.0.0.1'"
    any_mysql_site.server.execute(caught.value.remedy)
    assert bench.source.probe().readable
    assert bench.collect()["rows"] > 0


def test_a_consumer_that_is_off_is_told_with_its_remedy(site: MySQLSite, backend: FakeBackend, tmp_path: Path) -> None:
    bench = Bench(site, backend, tmp_path)
    site.server.execute("UPDATE performance_schema.setup_consumers SET ENABLED = 'NO' WHERE NAME = 'statements_digest'")
    try:
        status = bench.source.probe()
        assert (status.readable, status.code) == (True, "consumers_off")
        assert status.remedy is not None
        site.server.execute(status.remedy)
        assert bench.source.probe().code is None
    finally:
        site.server.execute("UPDATE performance_schema.setup_consumers SET ENABLED = 'YES'")


def test_both_sources_use_one_connection(site: MySQLSite, backend: FakeBackend, tmp_path: Path) -> None:
    bench = Bench(site, backend, tmp_path)
    bench.collect()
    bench.slow_log.probe()
    bench.slow_log.collect(1)
    sessions = site.server.execute(f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '{site.user}'")
    assert sessions == [(1,)]


def test_a_new_epoch_counts_from_one_and_a_source_made_anew_goes_on(
    site: MySQLSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(site, backend, tmp_path)
    bench.source.collect(1)
    PerformanceSchemaSource(bench.session, bench.tools).collect(1)
    bench.source.collect(2)
    bench.uploader.flush()
    orders = [(snapshot["epoch"], snapshot["seq"]) for snapshot in backend.snapshots]
    assert orders == [(1, 1), (1, 2), (2, 1)]
    assert len({snapshot["generation"] for snapshot in backend.snapshots}) == 1


def test_rows_that_share_a_key_are_one(site: MySQLSite) -> None:
    columns = DigestColumns.choose(
        {"COUNT_STAR", "SUM_TIMER_WAIT", "MIN_TIMER_WAIT", "MAX_TIMER_WAIT", "SUM_ROWS_SENT"}
    )
    rows = [
        DigestRow("shop", "d", "2026-01-02 00:00:00", (3, 9000, 1000, 6000, 1)),
        DigestRow("shop", "d", "2026-01-01 00:00:00", (4, 8000, 2000, 7000, 2)),
    ]
    member = columns.member(columns.together(rows))
    assert (member["calls"], member["total_time_ns"], member["rows"]) == (7, 17, 3)
    assert (member["min_time_ns"], member["max_time_ns"], member["since"]) == (1, 7, "2026-01-01 00:00:00")
