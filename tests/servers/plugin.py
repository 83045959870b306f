"""The pytest plugin `-p tests.servers.plugin`: real servers as fixtures, and the database Django is tested on.

Servers start when the first test asks for them and end with the session (with pytest-xdist each worker has its
own). A version that cannot be had skips its tests, and one line at the end of the run says so.

Django's database has to be known before pytest-django reads the settings, hence the early hook: SQLite in a folder
of its own, or with DBPOWER_TEST_DATABASE=postgresql a private PostgreSQL shared by all workers.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import pytest

from tests.servers.base import PrivateServer
from tests.servers.mariadb import MariaDB
from tests.servers.mysql import MySQL
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import Unavailable
from tests.servers.redis import Redis
from tests.servers.suites import suite

Server = TypeVar("Server", bound=PrivateServer)
SKIPPED = "server not available: "


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Give Django a database of its own before its settings are read; xdist's workers inherit it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        stack = contextlib.ExitStack()
        early_config.add_cleanup(stack.close)  # Called even where the settings turn out to be wrong.
        os.environ["DBPOWER_DATA_DIR"] = stack.enter_context(tempfile.TemporaryDirectory(prefix="dbpower-tests-"))
        os.environ.pop("REDIS_URL", None)
        os.environ.pop("DATABASE_URL", None)
        if chosen_database() == "postgresql":
            os.environ["DATABASE_URL"] = stack.enter_context(PostgreSQL()).url("postgres")
    return (yield)


def chosen_database() -> str:
    """Return the engine Django is tested on, from DBPOWER_TEST_DATABASE: `sqlite` or `postgresql`."""
    chosen = os.environ.get("DBPOWER_TEST_DATABASE") or "sqlite"
    if chosen not in ("sqlite", "postgresql"):
        raise pytest.UsageError(f"DBPOWER_TEST_DATABASE is {chosen!r}; it may be sqlite or postgresql")
    return chosen


def pytest_report_header() -> str:
    """Say in the run's first lines what Django is tested on."""
    return f"django database: {chosen_database()}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """Print at the very end one loud line for every server that could not be had, with the number of tests it cost."""
    yield
    skipped: dict[str, int] = {}
    for report in terminalreporter.getreports("skipped"):
        _, found, reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "").partition(SKIPPED)
        if found:
            skipped[reason] = skipped.get(reason, 0) + 1
    for reason, tests in skipped.items():
        terminalreporter.write_line(f"!!! {tests} TESTS NOT RUN: {reason}", red=True, bold=True)


@contextlib.contextmanager
def started(make: Callable[[], Server]) -> Iterator[Server]:
    """Start the server `make` returns and end it afterwards; skip the test where it cannot be had."""
    try:
        server = make()
    except Unavailable as reason:
        pytest.skip(f"{SKIPPED}{reason}")
    with server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """PostgreSQL 15, Debian 12's own."""
    with started(PostgreSQL) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_17() -> Iterator[PostgreSQL]:
    """PostgreSQL 17 from Debian's trixie."""
    with started(lambda: PostgreSQL(17, root=suite("trixie"))) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_18() -> Iterator[PostgreSQL]:
    """PostgreSQL 18 from Debian's sid."""
    with started(lambda: PostgreSQL(18, root=suite("sid"))) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """MariaDB 10.11, Debian 12's own."""
    with started(MariaDB) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_11() -> Iterator[MariaDB]:
    """MariaDB 11.8 from Debian's trixie."""
    with started(lambda: MariaDB(root=suite("trixie"))) as server:
        yield server


@pytest.fixture(scope="session")
def mysql() -> Iterator[MySQL]:
    """MySQL 9 from Debian's sid."""
    with started(lambda: MySQL(root=suite("sid"))) as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """Redis, Debian 12's own."""
    with started(Redis) as server:
        yield server
