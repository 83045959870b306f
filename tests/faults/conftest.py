"""Fixtures of the faults: a control plane for all of them, and a fresh world for each."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.agent.conftest import mysql_site, postgres_site
from tests.faults.totals import Totals, counted_by_postgresql, logged_by_mysql
from tests.faults.world import World
from tests.servers import MariaDB, MySQL, PostgreSQL
from tests.servers.control_plane import ControlPlane

WorldOf = Callable[[PostgreSQL | MariaDB | MySQL], World]


@pytest.fixture
def control_plane(shared_control_plane: ControlPlane) -> ControlPlane:
    """The control plane, running whatever the test before did to it."""
    shared_control_plane.process.start(120)
    return shared_control_plane


@pytest.fixture
def world_of(control_plane: ControlPlane, tmp_path: Path) -> Iterator[WorldOf]:
    """Make the world around a server whose counters and log begin anew. No agent runs in it yet."""
    with contextlib.ExitStack() as stack:

        def make(server: PostgreSQL | MariaDB | MySQL) -> World:
            return stack.enter_context(make_world(control_plane, server, tmp_path))

        yield make


def make_world(control_plane: ControlPlane, server: PostgreSQL | MariaDB | MySQL, folder: Path) -> World:
    """Return a world that has not begun."""
    if isinstance(server, PostgreSQL):
        postgres = postgres_site(server)
        return World(control_plane, "postgres", postgres.db_config, folder, lambda: counted_by_postgresql(server))
    site = mysql_site(server)
    server.execute(f"GRANT SELECT ON mysql.* TO {site.user}@'127.0.0.1'")
    return World(control_plane, "mysql", site.db_config, folder, lambda: logged(server))


def logged(server: MariaDB | MySQL) -> dict[str, Totals]:
    """Return what the slow log and the table it was rotated into hold."""
    names = ("slow_log", "slow_log_prev")
    there = [name for name in names if server.execute(f"SHOW TABLES FROM mysql LIKE '{name}'")]
    return logged_by_mysql(server, *there)


@pytest.fixture(params=["postgresql", "postgresql_17", "postgresql_18"])
def any_postgresql(request: pytest.FixtureRequest) -> PostgreSQL:
    """Every version that can be had."""
    server: PostgreSQL = request.getfixturevalue(request.param)
    server.start()
    return server


@pytest.fixture(params=["mariadb", "mysql"])
def any_mysql(request: pytest.FixtureRequest) -> MariaDB | MySQL:
    """One of each family."""
    server: MariaDB | MySQL = request.getfixturevalue(request.param)
    server.start()
    return server


@pytest.fixture(params=["postgresql", "mariadb"])
def either(request: pytest.FixtureRequest) -> PostgreSQL | MariaDB:
    """One server with counters and one with a log."""
    server: PostgreSQL | MariaDB = request.getfixturevalue(request.param)
    server.start()
    return server
