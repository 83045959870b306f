"""The statements that the console tells people to run: run on real servers, they are all that an agent needs."""

import uuid
from pathlib import Path

import pytest

from collectors.domain import grants
from collectors.domain.sources import Engine
from tests.agent.agents import write_config
from tests.agent.backend import FakeBackend
from tests.agent.conftest import PASSWORD
from tests.agent.test_doctor import findings
from tests.servers.mariadb import MySQLFamily
from tests.servers.postgresql import PostgreSQL


def carry_out(server: MySQLFamily | PostgreSQL, engine: Engine, user: str) -> None:
    for grant in grants.grants(engine, user=user, host="127.0.0.1"):
        for statement in grant.sql.replace(grants.PASSWORD, PASSWORD).split(";\n"):
            server.execute(statement)


@pytest.mark.parametrize("name", ["mariadb", "mariadb_11", "mysql"])
def test_an_agent_reads_mysql_and_mariadb_with_them(
    name: str, backend: FakeBackend, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server: MySQLFamily = request.getfixturevalue(name)
    user = f"it's {uuid.uuid4().hex[:8]}"
    # Other tests of this server want everything logged that takes longer than it is set to now.
    ((present,),) = server.execute("SELECT @@GLOBAL.long_query_time")
    carry_out(server, Engine.MYSQL, user)
    server.execute(f"SET GLOBAL long_query_time = {present}")
    config = {"host": "127.0.0.1", "port": server.port, "user": user, "password": PASSWORD}
    sources = ["slow_log", "performance_schema"]
    findings(write_config(tmp_path, backend.url, "mysql", config, sources=sources), expected=0)


@pytest.mark.parametrize("name", ["postgresql", "postgresql_17", "postgresql_18"])
def test_an_agent_reads_postgresql_with_them(
    name: str, backend: FakeBackend, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server: PostgreSQL = request.getfixturevalue(name)
    user = f'the "{uuid.uuid4().hex[:8]}"'
    carry_out(server, Engine.POSTGRES, user)
    config = {"host": "127.0.0.1", "port": server.port, "user": user, "password": PASSWORD}
    findings(write_config(tmp_path, backend.url, "postgres", config), expected=0)


def test_an_agent_elsewhere_comes_from_anywhere_and_one_beside_the_database_from_there() -> None:
    def account(host: str) -> str:
        return grants.grants(Engine.MYSQL, host=host)[0].sql.split(" IDENTIFIED")[0]

    assert account("") == account("localhost") == "CREATE USER 'dbpower'@'127.0.0.1'"
    assert account("db.example.org") == "CREATE USER 'dbpower'@'%'"
