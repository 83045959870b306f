"""Fixtures of the agent's tests."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.agent.backend import FakeBackend
from tests.servers.mariadb import MariaDB, MySQLFamily
from tests.servers.mysql import MySQL
from tests.servers.postgresql import PostgreSQL

PASSWORD = "canary-password-5a1"


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    with FakeBackend() as running:
        yield running


@dataclass(frozen=True)
class MySQLSite:
    """A server with an empty slow log and an account that may do nothing but read it."""

    server: MySQLFamily
    user: str

    @property
    def db_config(self) -> dict[str, Any]:
        return {"host": self.server.host, "port": self.server.port, "user": self.user, "password": PASSWORD}

    def run(self, *statements: str, zone: str | None = None) -> None:
        """Run statements that the server logs as slow, in a session of the given time zone."""
        with self.server.connect() as connection:
            cursor = connection.cursor()
            if zone:
                cursor.execute(f"SET time_zone = '{zone}'")
            for statement in statements:
                cursor.execute(statement)
                cursor.fetchall()

    def logged(self) -> int:
        return int(self.server.execute("SELECT COUNT(*) FROM mysql.slow_log")[0][0])


@dataclass(frozen=True)
class PostgresSite:
    """A server with reset statistics and a role that may read everybody's."""

    server: PostgreSQL
    role: str

    @property
    def db_config(self) -> dict[str, Any]:
        return {"host": self.server.host, "port": self.server.port, "user": self.role, "password": PASSWORD}


def mysql_site(server: MySQLFamily) -> MySQLSite:
    user = f"agent_{uuid.uuid4().hex[:8]}"
    server.execute("TRUNCATE TABLE mysql.slow_log")
    server.execute("DROP TABLE IF EXISTS mysql.slow_log_prev, mysql.slow_log_next, mysql.slow_log_backup")
    server.execute(f"CREATE USER {user}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
    server.execute(f"GRANT SELECT ON mysql.slow_log TO {user}@'127.0.0.1'")
    return MySQLSite(server, user)


def postgres_site(server: PostgreSQL) -> PostgresSite:
    role = f"agent_{uuid.uuid4().hex[:8]}"
    server.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_stats")
    server.execute("SELECT pg_stat_statements_reset()")
    return PostgresSite(server, role)


@pytest.fixture
def mariadb_site(mariadb: MariaDB) -> MySQLSite:
    return mysql_site(mariadb)


@pytest.fixture(params=["mariadb", "mariadb_11", "mysql"])
def any_mysql_site(request: pytest.FixtureRequest) -> MySQLSite:
    """Every server of the family that can be had."""
    server: MariaDB | MySQL = request.getfixturevalue(request.param)
    return mysql_site(server)


@pytest.fixture
def postgresql_site(postgresql: PostgreSQL) -> PostgresSite:
    return postgres_site(postgresql)


@pytest.fixture(params=["postgresql", "postgresql_17", "postgresql_18"])
def any_postgresql_site(request: pytest.FixtureRequest) -> PostgresSite:
    """Every version that can be had."""
    server: PostgreSQL = request.getfixturevalue(request.param)
    return postgres_site(server)
