"""Where mysqlclient could not be built, PyMySQL reads the same rows with the same hashes."""

import sys
from pathlib import Path

import pytest

from dbpower_agent.database_config import parse_database_config
from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.mysql_connection import MySQLConnection, load_driver
from tests.agent.agents import eventually
from tests.agent.backend import FakeBackend
from tests.agent.conftest import MySQLSite
from tests.agent.test_slow_log_source import Bench

pytest.importorskip("pymysql", reason="PyMySQL is not installed")


@pytest.fixture
def without_mysqlclient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    assert load_driver()[0].__name__ == "pymysql"


def test_an_agent_may_change_drivers_between_two_reads(
    any_mysql_site: MySQLSite, backend: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_mysql_site.run("SELECT SLEEP(0.02), 'ä'", "SELECT SLEEP(0.02), 2")
    Bench(any_mysql_site, backend, tmp_path / "one").collect_until(2)
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    any_mysql_site.run("SELECT SLEEP(0.02), 3")
    Bench(any_mysql_site, backend, tmp_path / "two").collect_until(3)
    assert len(backend.all_rows) == 3
    assert len(backend.cursors) == 1


@pytest.mark.usefixtures("without_mysqlclient")
def test_an_unfinished_read_is_dropped_at_once(mariadb_site: MySQLSite) -> None:
    connection = MySQLConnection(parse_database_config(mariadb_site.db_config)[0])
    mariadb_site.run("SELECT SLEEP(0.02)")
    eventually(lambda: mariadb_site.logged() == 1)
    stream = connection.stream("SELECT a.db FROM mysql.slow_log a", limit_seconds=60)
    assert next(stream) == (b"",)
    stream.close()
    assert connection.closed


@pytest.mark.usefixtures("without_mysqlclient")
def test_plain_text_is_refused_here_too(mariadb_site: MySQLSite) -> None:
    parsed, _ = parse_database_config({**mariadb_site.db_config, "tls": {"mode": "require"}})
    with pytest.raises(SourceError) as caught:
        MySQLConnection(parsed)
    assert caught.value.code in {"tls_refused", "database_unreachable"}


@pytest.mark.usefixtures("without_mysqlclient")
def test_the_session_names_its_program(any_mysql_site: MySQLSite) -> None:
    connection = MySQLConnection(parse_database_config(any_mysql_site.db_config)[0])
    named = any_mysql_site.server.execute(
        "SELECT attr_value FROM performance_schema.session_connect_attrs"
        f" WHERE processlist_id = {connection.value('SELECT CONNECTION_ID()')} AND attr_name = 'program_name'"
    )
    assert named == [("dbpower-agent",)]
    connection.close()
