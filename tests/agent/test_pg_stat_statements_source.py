"""The source `pg_stat_statements` against real servers: complete, exact, and without the agent itself."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbpower_agent.client import Client
from dbpower_agent.database_config import parse_database_config
from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.pg_stat_statements import PgStatStatementsSource
from dbpower_agent.state import AgentState, Lease
from dbpower_agent.uploader import Uploader
from tests.agent.agents import make_tools, read_config, write_config
from tests.agent.backend import FakeBackend
from tests.agent.conftest import PASSWORD, PostgresSite
from tests.servers.postgresql import PostgreSQL


class Bench:
    """A source with its uploader, driven by hand."""

    def __init__(self, site: PostgresSite, backend: FakeBackend, folder: Path, **db_config: Any) -> None:
        self.backend = backend
        config = read_config(write_config(folder, backend.url, "postgres", site.db_config))
        state = AgentState(collection_interval_minutes=5, config_version=1)
        state.set_lease(Lease(held=True, epoch=1))
        self.tools = make_tools(folder)
        self.uploader = Uploader(Client(config), self.tools.spool, state)
        parsed, problems = parse_database_config({**site.db_config, **db_config})
        assert problems == []
        self.source = PgStatStatementsSource(parsed, self.tools)
        self.uploader.sources = (self.source,)

    def collect(self) -> dict[str, Any]:
        self.source.collect(1)
        assert self.uploader.flush().retry_in is None
        return self.backend.snapshots[-1]


def truth(server: PostgreSQL, role: str) -> dict[str, tuple[Any, ...]]:
    """The server's own counters of everybody but the agent."""
    rows = server.execute(
        "SELECT s.userid || ':' || s.dbid || ':' || s.queryid || ':' || left(s.toplevel::text, 1), s.calls, s.rows,"
        " s.total_exec_time, s.shared_blks_hit, s.wal_bytes FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid"
        f" WHERE r.rolname <> '{role}'"
    )
    return {row[0]: row[1:] for row in rows}


def test_a_snapshot_equals_the_servers_own_counters(
    any_postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path
) -> None:
    server = any_postgresql_site.server
    for number in range(7):
        server.execute(f"SELECT count(*) FROM generate_series(1, {number + 1000})")
    bench = Bench(any_postgresql_site, backend, tmp_path)
    bench.collect()
    snapshot = bench.collect()
    expected = truth(server, any_postgresql_site.role)
    sent = {row["key"]: row for row in snapshot["queries"]}
    # The statement that asks for the truth is itself in the truth, and not in the snapshot before it.
    assert set(sent) <= set(expected)
    assert len(set(expected) - set(sent)) <= 1
    for key, row in sent.items():
        calls, rows, total, hit, wal = expected[key]
        assert (row["calls"], row["rows"]) == (calls, rows)
        assert row["total_time_ns"] == round(total * 1_000_000)
        assert row["counters"]["shared_blks_hit"] == hit
        assert row["counters"]["wal_bytes"] == wal
    assert snapshot["rows"] == len(sent)
    assert snapshot["generation"].startswith(f"{snapshot['server_id']}:")
    assert 0 <= snapshot["generation_age_seconds"] < 60


def test_the_agents_own_statements_never_appear(
    any_postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(any_postgresql_site, backend, tmp_path)
    backend.want_texts = True
    for _ in range(3):
        snapshot = bench.collect()
        assert [row for row in snapshot["queries"] if row["user"] == any_postgresql_site.role] == []
    assert not any("dbpower-agent" in (text or "") for text in backend.texts.values())


def test_other_statements_of_the_agents_role_do_appear(
    postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path
) -> None:
    server = postgresql_site.server
    with server.connect(user=postgresql_site.role, password=PASSWORD) as connection:
        for _ in range(4):
            connection.execute("SELECT 'an application that shares the role'")
    bench = Bench(postgresql_site, backend, tmp_path)
    backend.want_texts = True
    for _ in range(2):
        snapshot = bench.collect()
    own = [row for row in snapshot["queries"] if row["user"] == postgresql_site.role]
    assert [row["calls"] for row in own] == [4]


def test_wanted_texts_are_sent_without_literals(
    any_postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path
) -> None:
    server = any_postgresql_site.server
    server.execute("SELECT 'canary-literal-1'")
    server.execute(f"ALTER ROLE {any_postgresql_site.role} PASSWORD '{PASSWORD}'")
    bench = Bench(any_postgresql_site, backend, tmp_path)
    backend.want_texts = True
    snapshot = bench.collect()
    assert set(backend.texts) == {row["key"] for row in snapshot["queries"]}
    texts = " ".join(text or "" for text in backend.texts.values())
    assert "alter role" in texts.lower()
    assert PASSWORD not in texts
    assert "canary-literal-1" not in texts


def test_a_key_the_server_no_longer_has_is_answered_with_null(
    postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(postgresql_site, backend, tmp_path)
    parts = list(bench.source.wanted_texts(["1:2:3:t", "no key at all"]))
    assert [part.count for part in parts] == [2]


def test_without_the_grant_no_snapshot_is_sent(postgresql: PostgreSQL, backend: FakeBackend, tmp_path: Path) -> None:
    postgresql.execute(f"DROP ROLE IF EXISTS blind; CREATE ROLE blind LOGIN PASSWORD '{PASSWORD}'")
    postgresql.execute("SELECT 1")
    bench = Bench(PostgresSite(postgresql, "blind"), backend, tmp_path)
    with pytest.raises(SourceError) as caught:
        bench.source.collect(1)
    assert caught.value.code == "missing_privilege"
    assert caught.value.remedy == 'GRANT pg_read_all_stats TO "blind"'
    assert bench.tools.spool.entries == ()


def test_a_missing_extension_is_a_finding_with_its_remedy(
    postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path
) -> None:
    postgresql_site.server.execute("DROP DATABASE IF EXISTS bare")
    postgresql_site.server.execute("CREATE DATABASE bare")
    bench = Bench(postgresql_site, backend, tmp_path, database="bare")
    with pytest.raises(SourceError) as caught:
        bench.source.probe()
    assert (caught.value.code, caught.value.remedy) == ("extension_missing", "CREATE EXTENSION pg_stat_statements")


def test_the_extension_is_found_in_whichever_schema_it_is(
    postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path
) -> None:
    server = postgresql_site.server
    server.execute("DROP DATABASE IF EXISTS elsewhere")
    server.execute("CREATE DATABASE elsewhere")
    server.execute(
        'CREATE SCHEMA "odd ""%s name"; CREATE EXTENSION pg_stat_statements SCHEMA "odd ""%s name"',
        database="elsewhere",
    )
    bench = Bench(postgresql_site, backend, tmp_path, database="elsewhere")
    with pytest.raises(SourceError) as caught:
        bench.source.probe()
    assert caught.value.remedy is not None
    server.execute(caught.value.remedy, database="elsewhere")
    bench.source.probe()
    backend.want_texts = True
    assert bench.collect()["rows"] > 0
    assert any(backend.texts.values())


def test_a_reset_begins_a_new_generation(postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path) -> None:
    bench = Bench(postgresql_site, backend, tmp_path)
    first = bench.collect()
    second = bench.collect()
    postgresql_site.server.execute("SELECT pg_stat_statements_reset()")
    third = bench.collect()
    assert first["generation"] == second["generation"] != third["generation"]
    assert [snapshot["seq"] for snapshot in (first, second, third)] == [1, 2, 3]
    assert first["interval_seconds"] is None
    assert second["interval_seconds"] >= 0


def test_a_lost_connection_is_opened_again(postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path) -> None:
    bench = Bench(postgresql_site, backend, tmp_path)
    bench.collect()
    postgresql_site.server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dbpower-agent'"
    )
    with pytest.raises(SourceError):
        bench.collect()
    assert bench.collect()["rows"] > 0


def test_the_session_is_named_limited_and_idle_outside_transactions(
    postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(postgresql_site, backend, tmp_path)
    bench.collect()
    sessions = postgresql_site.server.execute(
        "SELECT state FROM pg_stat_activity WHERE application_name = 'dbpower-agent'"
    )
    assert sessions == [("idle",)]
    rows = bench.source._open().rows(
        "SELECT /* dbpower-agent */ current_setting('statement_timeout'), current_setting('lock_timeout')"
    )
    assert rows == [("1min", "2s")]


def test_a_large_snapshot_is_sent_in_parts_that_fit(
    postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbpower_agent.payload.MAX_COMPRESSED", 3000)
    with postgresql_site.server.connect() as connection:
        for number in range(120):
            connection.execute(b"SELECT 1" + b", 1" * number)
    bench = Bench(postgresql_site, backend, tmp_path)
    snapshot = bench.collect()
    assert snapshot["parts"] > 1
    assert len(snapshot["queries"]) == snapshot["rows"] >= 120


def test_values_of_the_configuration_stay_values(postgresql_site: PostgresSite, tmp_path: Path) -> None:
    from dbpower_agent.sources.postgres_connection import PostgresConnection

    for member in ("database", "user", "password"):
        hostile = {**postgresql_site.db_config, member: "x' host=example.com service='y\\ options=-cfoo=bar"}
        parsed, problems = parse_database_config(hostile)
        assert problems == []
        with pytest.raises(SourceError) as caught:
            PostgresConnection(parsed)
        assert f'server at "{postgresql_site.server.host}"' in caught.value.detail


def test_the_environment_decides_nothing(
    postgresql_site: PostgresSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from dbpower_agent.sources.postgres_connection import PostgresConnection

    passwords = tmp_path / "pgpass"
    passwords.touch(mode=0o600)
    passwords.write_text(f"*:*:*:*:{PASSWORD}\n")
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    monkeypatch.setenv("PGSERVICE", "nowhere")
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=1ms")
    parsed, _ = parse_database_config({**postgresql_site.db_config, "password": None})
    with pytest.raises(SourceError) as caught:
        PostgresConnection(parsed)
    assert caught.value.code == "login_refused"
    connection = PostgresConnection(parse_database_config(postgresql_site.db_config)[0])
    assert connection.rows("SELECT current_setting('statement_timeout')") == [("1min",)]
    connection.close()


def test_plain_text_is_refused_where_tls_is_asked_for(postgresql_site: PostgresSite) -> None:
    from dbpower_agent.sources.postgres_connection import PostgresConnection

    parsed, _ = parse_database_config({**postgresql_site.db_config, "tls": {"mode": "require"}})
    with pytest.raises(SourceError) as caught:
        PostgresConnection(parsed)
    assert caught.value.code == "tls_refused"


def test_statements_of_the_driver_are_not_prepared(
    postgresql_site: PostgresSite, backend: FakeBackend, tmp_path: Path
) -> None:
    bench = Bench(postgresql_site, backend, tmp_path)
    for _ in range(7):
        bench.collect()
    assert bench.source._open().rows("SELECT count(*) FROM pg_prepared_statements") == [(0,)]
    assert issubclass(psycopg.OperationalError, psycopg.Error)
