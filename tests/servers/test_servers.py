"""The private servers themselves: they start, answer, survive a crash with their data, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import MariaDB, MySQL, PostgreSQL, Redis, ServerFailedError, Unavailable
from tests.servers import suites as suites_module
from tests.servers.mariadb import MySQLFamily
from tests.servers.process import (
    Account,
    ServerProcess,
    forget_abandoned,
    free_port,
    private_folder,
    running,
    wait_gone,
)

ORPHAN = """
import sys, time
from tests.servers import PostgreSQL
server = PostgreSQL().start()
print(server.pid, server.run, flush=True)
time.sleep(60)
"""

UNAVAILABLE = """
import pytest
from tests.servers import PostgreSQL
from tests.servers.plugin import started

@pytest.fixture(scope="session")
def server():
    with started(lambda: PostgreSQL(9)) as server:
        yield server

def test_one(server): pass
def test_two(server): pass
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that servers of another user can enter."""
    made = private_folder(Account.for_servers("postgres"), "test")
    yield made
    subprocess.run(["rm", "-rf", str(made)], check=True)


def slow_statements(server: MySQLFamily, text: str) -> list[tuple[object, ...]]:
    """Return the slow log's rows with `text`; they are written after the client has its answer, so this waits."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        rows = server.execute("SELECT query_time, sql_text FROM mysql.slow_log WHERE sql_text LIKE %s", [f"%{text}%"])
        if rows:
            return rows
        time.sleep(0.02)
    return []


def run_slowly(server: MySQLFamily) -> None:
    """Run one statement that is slow enough for the slow log."""
    with server.connect() as connection:
        connection.query("SELECT SLEEP(0.03) AS slow_on_purpose")
        connection.store_result()


@pytest.mark.postgresql
def test_postgresql_counts_statements(postgresql: PostgreSQL) -> None:
    """`pg_stat_statements` is there and counts what was run."""
    postgresql.create_database("counted")
    for number in range(3):
        postgresql.execute("SELECT %s::int AS counted_here", [number], database="counted")
    rows = postgresql.execute("SELECT calls FROM pg_stat_statements WHERE query LIKE '%AS counted_here'")
    assert rows == [(3,)]


@pytest.mark.postgresql
def test_postgresql_asks_for_the_password(postgresql: PostgreSQL) -> None:
    """Other users of the machine cannot simply walk in."""
    with pytest.raises(Exception, match="password authentication failed"):
        postgresql.connect(user="postgres", password="wrong")


@pytest.mark.postgresql
def test_a_crashed_postgresql_comes_back_with_its_data() -> None:
    """After a crash the same port serves what was committed."""
    with PostgreSQL() as server:
        server.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server.crash()
        assert not server.alive()
        server.start()
        assert server.execute("SELECT answer FROM kept") == [(42,)]
        server.restart()
        assert server.execute("SELECT answer FROM kept") == [(42,)]


@pytest.mark.postgresql
def test_data_in_a_folder_of_ones_own_outlasts_the_server(folder: Path) -> None:
    """The demo goes on with its data: another server object over the same folder, on another port."""
    with PostgreSQL(data=folder) as first:
        first.execute("CREATE TABLE kept AS SELECT 1 AS one")
    with PostgreSQL(data=folder, settings={"work_mem": "7MB"}) as second:
        assert second.execute("SELECT one FROM kept") == [(1,)]
        assert second.execute("SHOW work_mem") == [("7MB",)]


@pytest.mark.mariadb
def test_mariadb_logs_slow_statements_to_the_table(mariadb: MariaDB) -> None:
    """A slow statement appears in `mysql.slow_log`, and the rotation puts an empty table in its place."""
    run_slowly(mariadb)
    assert len(slow_statements(mariadb, "slow_on_purpose")) == 1
    mariadb.rotate_slow_log()
    assert mariadb.execute("SELECT COUNT(*) FROM mysql.slow_log") == [(0,)]


@pytest.mark.mariadb
def test_a_crashed_mariadb_comes_back_with_its_data() -> None:
    """After a crash the same port serves what was committed."""
    with MariaDB() as server:
        server.create_database("shop")
        server.execute("CREATE TABLE kept (answer int)", database="shop")
        server.execute("INSERT INTO kept VALUES (42)", database="shop")
        server.crash()
        server.start()
        assert server.execute("SELECT answer FROM kept", database="shop") == [(42,)]


@pytest.mark.redis
def test_redis_answers_with_its_password(redis: Redis) -> None:
    """The URL is all a client needs."""
    from redis import Redis as Client

    client = Client.from_url(redis.url())
    client.set("key", "value")
    assert client.get("key") == b"value"
    client.close()


@pytest.mark.postgresql
@pytest.mark.slow
def test_newer_postgresql_versions_are_real(postgresql_17: PostgreSQL, postgresql_18: PostgreSQL) -> None:
    """Their version, and the column that tells since when a statement is counted."""
    for version, server in ((17, postgresql_17), (18, postgresql_18)):
        assert server.execute("SHOW server_version")[0][0].startswith(f"{version}.")
        assert server.execute("SELECT stats_since IS NOT NULL FROM pg_stat_statements LIMIT 1") == [(True,)]


@pytest.mark.mariadb
@pytest.mark.slow
def test_newer_mariadb_is_real(mariadb_11: MariaDB) -> None:
    """Its version, and its slow log."""
    assert mariadb_11.execute("SELECT VERSION()")[0][0].startswith("11.")
    run_slowly(mariadb_11)
    assert slow_statements(mariadb_11, "slow_on_purpose")


@pytest.mark.mysql
@pytest.mark.slow
def test_mysql_is_real(mysql: MySQL) -> None:
    """It is MySQL and not MariaDB, and logs slow statements."""
    assert mysql.execute("SELECT @@version_comment")[0][0] == "(Debian)"
    assert int(mysql.execute("SELECT VERSION()")[0][0].split(".")[0]) >= 9
    run_slowly(mysql)
    assert slow_statements(mysql, "slow_on_purpose")


@pytest.mark.mysql
@pytest.mark.slow
def test_a_crashed_mysql_comes_back(mysql: MySQL) -> None:
    """After a crash the same port answers."""
    mysql.crash()
    assert mysql.start().execute("SELECT 1") == [(1,)]


@pytest.mark.postgresql
def test_a_server_dies_with_a_killed_parent_and_its_folder_goes_next_time() -> None:
    """Nobody can tidy up after kill -9: the kernel ends the server, the next run removes the folder."""
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, run = parent.stdout.readline().split()
        assert running(int(pid))
        parent.kill()
    wait_gone([int(pid)])
    assert not running(int(pid))
    forget_abandoned()
    assert not Path(run).exists()


def test_a_server_that_ends_at_once_is_reported_with_its_log(tmp_path: Path) -> None:
    """The message has what the server wrote, and nothing keeps running."""
    server = failing(tmp_path, "echo the reason; exit 3")
    with pytest.raises(ServerFailedError, match=r"(?s)failing ended with status 3.*the reason"):
        server.start()
    assert not server.alive()


def test_a_server_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    """Waiting has an end, and what was started by the server goes with it."""
    server = failing(tmp_path, "sleep 60 & echo $!; wait")
    with pytest.raises(ServerFailedError, match=r"was not ready after 1 s \(not yet\)"):
        server.start(timeout=1)
    assert not running(int(server.log_tail()))


def failing(folder: Path, script: str) -> ServerProcess:
    """Return a server made of a shell script, which is never ready."""

    def ready() -> None:
        raise RuntimeError("not yet")

    arguments = ["/bin/sh", "-c", script]
    return ServerProcess("failing", arguments, log=folder / "log", account=Account.current(), ready=ready)


def test_servers_started_by_root_run_as_somebody_else() -> None:
    """Root's servers belong to a system account, everybody else's to themselves."""
    account = Account.for_servers("no-such-account")
    assert account.uid != 0
    assert os.geteuid() == 0 or account == Account.current()


def test_a_free_port_can_be_bound() -> None:
    """The port is in the range of ordinary users."""
    assert 1024 < free_port() < 65536


def test_a_version_that_is_not_installed_says_so() -> None:
    """The reason is what the skipped tests show."""
    with pytest.raises(Unavailable, match="PostgreSQL 9 is not installed"):
        PostgreSQL(9)


def test_a_suite_that_cannot_be_had_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mirror nothing is built, and nothing is left of the attempt."""
    monkeypatch.setenv("DBPOWER_SUITES_DIR", str(tmp_path))
    monkeypatch.setattr(suites_module, "mirror", lambda: "http://127.0.0.1:9/debian")
    with pytest.raises(Unavailable, match=r"debootstrap of sid failed|by root only|is not installed"):
        suites_module.suite("sid")
    assert not list(tmp_path.glob("sid*/"))


def test_a_suite_is_refused_to_ordinary_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names what they miss."""
    monkeypatch.setenv("DBPOWER_SUITES_DIR", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Unavailable, match=r"trixie \(postgresql-17.*by root only"):
        suites_module.suite("trixie")


def test_what_could_not_be_had_is_said_at_the_end_of_the_run(tmp_path: Path) -> None:
    """Skipped tests are easily overlooked; a red line that counts them is not."""
    (tmp_path / "test_it.py").write_text(UNAVAILABLE)
    command = [sys.executable, "-m", "pytest", "-p", "tests.servers.plugin", "-p", "no:django", "-c", os.devnull]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "!!! 2 TESTS NOT RUN: PostgreSQL 9 is not installed" in done.stdout.splitlines()[-3:]
    assert done.returncode == 0


def test_stopping_twice_and_before_the_start_is_harmless() -> None:
    """Tidying up never has to ask first."""
    server = Redis()
    server.stop()
    server.start()
    pid = server.pid
    server.close()
    server.close()
    assert not running(pid)
    assert server.stop_signal is signal.SIGTERM
