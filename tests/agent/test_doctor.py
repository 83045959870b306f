"""`doctor` finds what is wrong and prints what mends it; carried out, the remedy mends it."""

import json
from pathlib import Path
from typing import Any

import pytest

from dbpower_agent.keyring import KeyRing
from tests.agent.agents import run_agent, write_config
from tests.agent.backend import KEY, FakeBackend
from tests.agent.conftest import PASSWORD, MySQLSite, PostgresSite
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL


def findings(path: Path, *, expected: int) -> dict[str, dict[str, Any]]:
    done = run_agent("doctor", "--json", "--config", str(path))
    assert done.returncode == expected, done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] is (expected == 0)
    return {finding["name"]: finding for finding in report["findings"]}


def test_all_is_well_with_a_healthy_mysql(backend: FakeBackend, tmp_path: Path, any_mysql_site: MySQLSite) -> None:
    found = findings(write_config(tmp_path, backend.url, "mysql", any_mysql_site.db_config), expected=0)
    wanted = {"backend", "key", "key format", "clock", "database", "version", "grants", "slow_query_log", "log_output"}
    assert wanted <= set(found)
    assert backend.heartbeats == []


def test_performance_schema_is_examined_where_it_is_read(
    backend: FakeBackend, tmp_path: Path, any_mysql_site: MySQLSite
) -> None:
    sources = ["slow_log", "performance_schema"]
    path = write_config(tmp_path, backend.url, "mysql", any_mysql_site.db_config, sources=sources)
    server = any_mysql_site.server
    server.execute(str(findings(path, expected=1)["performance_schema grants"]["remedy"]))
    assert findings(path, expected=0)["digests_size"]["ok"]
    server.execute("UPDATE performance_schema.setup_consumers SET ENABLED = 'NO' WHERE NAME = 'statements_digest'")
    try:
        server.execute(str(findings(path, expected=1)["statements_digest"]["remedy"]))
        findings(path, expected=0)
    finally:
        server.execute("UPDATE performance_schema.setup_consumers SET ENABLED = 'YES'")


def test_performance_schema_that_is_off_or_full_is_told(backend: FakeBackend, tmp_path: Path) -> None:
    for settings, name in (
        ({"performance-schema": "OFF"}, "performance_schema"),
        ({"performance-schema-digests-size": "10"}, "digests_size"),
    ):
        with MariaDB(settings=settings) as server:
            server.execute(f"CREATE USER watcher@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
            server.execute("GRANT SELECT ON performance_schema.* TO watcher@'127.0.0.1'")
            for number in range(15):
                server.execute("SELECT 1" + ", 1" * number)
            config = {"host": server.host, "port": server.port, "user": "watcher", "password": PASSWORD}
            path = write_config(tmp_path, backend.url, "mysql", config, sources=["performance_schema"])
            remedy = findings(path, expected=1)[name]["remedy"]
        assert name.removesuffix("digests_size") in remedy


def test_all_is_well_with_a_healthy_postgresql(
    backend: FakeBackend, tmp_path: Path, any_postgresql_site: PostgresSite
) -> None:
    found = findings(write_config(tmp_path, backend.url, "postgres", any_postgresql_site.db_config), expected=0)
    assert {"grants", "shared_preload_libraries", "extension", "track"} <= set(found)


@pytest.mark.parametrize(
    ("name", "breaking", "mending"),
    [
        ("slow_query_log", "SET GLOBAL slow_query_log = OFF", "SET GLOBAL slow_query_log = ON"),
        ("log_output", "SET GLOBAL log_output = 'FILE'", "SET GLOBAL log_output = 'TABLE'"),
        ("long_query_time", "SET GLOBAL long_query_time = 10", "SET GLOBAL long_query_time = 1"),
        ("min_examined_row_limit", "SET GLOBAL min_examined_row_limit = 9", "SET GLOBAL min_examined_row_limit = 0"),
    ],
)
def test_a_setting_of_mysql_is_found_and_its_remedy_mends_it(
    name: str, breaking: str, mending: str, backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite
) -> None:
    path = write_config(tmp_path, backend.url, "mysql", mariadb_site.db_config)
    mariadb_site.server.execute(breaking)
    try:
        broken = findings(path, expected=1)[name]
        assert (broken["ok"], broken["remedy"]) == (False, mending)
        mariadb_site.server.execute(mending)
        assert findings(path, expected=0)[name]["ok"]
    finally:
        mariadb_site.server.execute(mending)
        mariadb_site.server.execute("SET GLOBAL long_query_time = 0.01")


def test_a_missing_grant_on_mysql_is_named_for_the_right_account(
    backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite
) -> None:
    path = write_config(tmp_path, backend.url, "mysql", mariadb_site.db_config)
    mariadb_site.server.execute(f"REVOKE SELECT ON mysql.slow_log FROM {mariadb_site.user}@'127.0.0.1'")
    remedy = findings(path, expected=1)["grants"]["remedy"]
    assert remedy == f"GRANT SELECT ON mysql.slow_log TO '{mariadb_site.user}'@'127.0.0.1'"
    mariadb_site.server.execute(remedy)
    findings(path, expected=0)


def test_a_missing_grant_on_postgresql_is_mended_by_its_remedy(
    backend: FakeBackend, tmp_path: Path, postgresql_site: PostgresSite
) -> None:
    path = write_config(tmp_path, backend.url, "postgres", postgresql_site.db_config)
    postgresql_site.server.execute(f"REVOKE pg_read_all_stats FROM {postgresql_site.role}")
    remedy = findings(path, expected=1)["grants"]["remedy"]
    postgresql_site.server.execute(remedy)
    findings(path, expected=0)


def test_a_missing_extension_is_mended_by_its_remedy(
    backend: FakeBackend, tmp_path: Path, postgresql_site: PostgresSite
) -> None:
    server = postgresql_site.server
    server.execute("DROP DATABASE IF EXISTS doctored")
    server.execute("CREATE DATABASE doctored")
    config = {**postgresql_site.db_config, "database": "doctored"}
    path = write_config(tmp_path, backend.url, "postgres", config)
    remedy = findings(path, expected=1)["extension"]["remedy"]
    server.execute(remedy, database="doctored")
    findings(path, expected=0)


def test_a_server_without_the_library_is_told_to_load_it(backend: FakeBackend, tmp_path: Path) -> None:
    with PostgreSQL(settings={"shared_preload_libraries": ""}) as server:
        server.execute(f"CREATE ROLE watcher LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_stats")
        config = {"host": server.host, "port": server.port, "user": "watcher", "password": PASSWORD}
        found = findings(write_config(tmp_path, backend.url, "postgres", config), expected=1)
    assert "shared_preload_libraries" in found["shared_preload_libraries"]["remedy"]


def test_a_wrong_password_and_a_dead_backend_are_told_apart(
    backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite
) -> None:
    wrong = {**mariadb_site.db_config, "password": "wrong-password"}
    found = findings(write_config(tmp_path, "http://127.0.0.1:9", "mysql", wrong), expected=1)
    assert found["backend"]["ok"] is False
    assert found["database"]["ok"] is False
    assert "db_config.password" in found["database"]["remedy"]


def test_a_key_of_another_collector_is_noticed_before_it_is_tried(
    backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite
) -> None:
    path = write_config(tmp_path, backend.url, "mysql", mariadb_site.db_config, api_key="collector_8_" + "x" * 20)
    found = findings(path, expected=1)
    assert "collector 8" in found["key format"]["detail"]
    assert found["key"]["ok"] is False


def test_people_get_a_line_for_each_finding(backend: FakeBackend, tmp_path: Path, mariadb_site: MySQLSite) -> None:
    done = run_agent(
        "doctor", "--config", str(write_config(tmp_path, "http://127.0.0.1:9", "mysql", mariadb_site.db_config))
    )
    assert done.returncode == 1
    assert "PROBLEM backend" in done.stdout
    assert "to mend it: " in done.stdout
    assert "ok      grants" in done.stdout


def test_an_unusable_configuration_lists_its_problems_and_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.touch(mode=0o600)
    path.write_text("{}")
    done = run_agent("doctor", "--config", str(path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 4


def test_the_version_needs_no_configuration() -> None:
    assert run_agent("version").stdout.startswith("dbpower-agent ")


def test_a_key_that_the_agent_made_is_looked_for_where_the_agent_keeps_it(backend: FakeBackend, tmp_path: Path) -> None:
    """As `agent/DEPLOYMENT.md` tells to run it, after a rotation: the service's state directory is not beside the file."""
    path = write_config(
        tmp_path, backend.url, "mysql", {"port": 1}, api_key="collector_7_configured-and-ended", state_dir=""
    )
    service = tmp_path / "service"
    service.mkdir(mode=0o700)
    keys = KeyRing(service, "collector_7_configured-and-ended")
    stored = {"follows": keys._follows, "current": KEY}
    (service / "keys.json").touch(mode=0o600)
    (service / "keys.json").write_text(json.dumps(stored))

    def key_of(environment: dict[str, str]) -> dict[str, Any]:
        done = run_agent("doctor", "--json", "--config", str(path), environment=environment)
        (found,) = [found for found in json.loads(done.stdout)["findings"] if found["name"] == "key"]
        return dict(found)

    assert key_of({"STATE_DIRECTORY": str(service)})["ok"]
    beside = key_of({"STATE_DIRECTORY": ""})
    assert not beside["ok"]
    assert "STATE_DIRECTORY" in beside["remedy"]
    (service / "keys.json").unlink()
    (service / "keys.json").mkdir()
    unreadable = key_of({"STATE_DIRECTORY": str(service)})
    assert "cannot be read" in unreadable["detail"]
