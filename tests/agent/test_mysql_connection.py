"""The connection to MySQL: it harms nothing, hides nothing and lets go quickly."""

import time
from collections.abc import Iterator

import pytest

from dbpower_agent.database_config import parse_database_config
from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.mysql_connection import MySQLConnection, ReadLimitError
from tests.agent.conftest import MySQLSite

MILLION = "SELECT a.n FROM (SELECT 1 AS n{}) a".format(" UNION ALL SELECT 1" * 9) + "".join(
    " CROSS JOIN (SELECT 1 AS n{}) {}".format(" UNION ALL SELECT 1" * 9, name) for name in "bcdefg"
)


@pytest.fixture
def connection(any_mysql_site: MySQLSite) -> Iterator[MySQLConnection]:
    opened = MySQLConnection(parse_database_config(any_mysql_site.db_config)[0])
    yield opened
    opened.close()


def test_a_read_that_is_given_up_leaves_at_once(connection: MySQLConnection) -> None:
    """Ten million rows wait behind the first one; closing the cursor the ordinary way would read them all."""
    began = time.monotonic()
    stream = connection.stream(MILLION, limit_seconds=60)
    assert next(stream) == (b"1",)
    stream.close()
    assert time.monotonic() - began < 1.5
    assert connection.closed


def test_a_read_ends_at_its_limit(connection: MySQLConnection) -> None:
    began = time.monotonic()
    with pytest.raises(ReadLimitError):
        for _ in connection.stream(MILLION, limit_seconds=1):
            pass
    assert time.monotonic() - began < 5


def test_the_session_commits_waits_briefly_for_locks_and_logs_nothing(connection: MySQLConnection) -> None:
    assert connection.value("SELECT @@autocommit") == "1"
    assert connection.value("SELECT @@lock_wait_timeout") == "2"
    assert connection.value("SELECT @@time_zone") == "+00:00"
    assert float(connection.value("SELECT @@long_query_time") or 0) >= 1000


def test_the_server_cannot_ask_for_files_of_the_agents_host(
    connection: MySQLConnection, any_mysql_site: MySQLSite
) -> None:
    any_mysql_site.server.execute("SET GLOBAL local_infile = 1")
    any_mysql_site.server.execute("CREATE DATABASE IF NOT EXISTS scratch")
    any_mysql_site.server.execute("CREATE TABLE IF NOT EXISTS scratch.t (line TEXT)")
    any_mysql_site.server.execute(f"GRANT ALL ON scratch.* TO {any_mysql_site.user}@'127.0.0.1'")
    with pytest.raises(SourceError):
        connection.rows("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE scratch.t")
    assert any_mysql_site.server.execute("SELECT COUNT(*) FROM scratch.t") == [(0,)]


@pytest.mark.parametrize("member", ["user", "password", "database"])
def test_values_of_the_configuration_stay_values(member: str, any_mysql_site: MySQLSite) -> None:
    hostile = {**any_mysql_site.db_config, member: "x'; DROP TABLE mysql.user; -- \\ \" `"}
    with pytest.raises(SourceError):
        MySQLConnection(parse_database_config(hostile)[0])
    assert any_mysql_site.server.execute("SELECT COUNT(*) > 0 FROM mysql.user") == [(1,)]
