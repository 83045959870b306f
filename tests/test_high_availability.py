"""Two real agents on one database: one collects, and when it dies or hangs the other goes on with the same numbers."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.agents import eventually, running_agent
from tests.servers import MariaDB, PostgreSQL
from tests.servers.control_plane import ControlPlane
from tests.watched import Watched, watch_mariadb, watch_postgresql

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    with ControlPlane({"DBPOWER_LEASE_SECONDS": "3"}) as running:
        yield running


class Load:
    """Runs a statement over and over, and knows how often."""

    def __init__(self, run: Callable[[int], Any]) -> None:
        self.done = 0
        self._run = run
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self._end.wait(0.02):
            self._run(self.done)
            self.done += 1

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def goes_on(self, times: int = 20) -> None:
        """Wait until the statement has run that often again."""
        reached = self.done + times
        eventually(lambda: self.done >= reached, what="more load")


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def active(watched: Watched) -> None:
    eventually(lambda: watched.shown()["ha_role"] == "active", what="active")


def standby(watched: Watched) -> None:
    eventually(lambda: watched.shown()["ha_role"] == "standby" and watched.status() == "ONLINE", what="standby")


def calls_of(watched: Watched, fingerprint: str) -> int:
    row = watched.statement(fingerprint)
    return row["calls"] if row else 0


def test_a_takeover_on_postgresql_loses_nothing_and_counts_nothing_twice(
    control_plane: ControlPlane, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    one = watch_postgresql(control_plane, postgresql)
    other = Watched(control_plane, "postgres", one.config, beside=one)
    fingerprint = "select sum(n) as handed_over from generate_series(?, ?) as n"
    load = Load(
        lambda number: postgresql.execute(f"SELECT sum(n) AS handed_over FROM generate_series(1, {number}) AS n")
    )
    with running_agent(one.agent_config(folder(tmp_path / "one"))) as first:
        active(one)
        with running_agent(other.agent_config(folder(tmp_path / "other"))):
            standby(other)
            assert one.collect()["state"] == "succeeded", "the baseline"
            with load:
                load.goes_on()
                one.collect()
                refused = other.collect()
                assert (refused["state"], refused["result"]["code"]) == ("failed", "standby")
                # It hangs, the other one takes over, it wakes up and sends what it has.
                os.kill(first.pid, signal.SIGSTOP)
                active(other)
                load.goes_on()
                other.collect()
                os.kill(first.pid, signal.SIGCONT)
                standby(one)
                load.goes_on()
                other.collect()
                assert first.running
            other.collect()
            assert calls_of(other, fingerprint) == load.done
    server = postgresql.execute("SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE '%handed_over FROM%'")
    assert server[0][0] == load.done


def test_a_takeover_on_mariadb_goes_on_where_the_killed_one_had_read_to(
    control_plane: ControlPlane, mariadb: MariaDB, tmp_path: Path
) -> None:
    one = watch_mariadb(control_plane, mariadb)
    other = Watched(control_plane, "mysql", one.config, beside=one)
    with mariadb.connect() as connection, running_agent(one.agent_config(folder(tmp_path / "one"))) as first:
        active(one)
        cursor = connection.cursor()

        def run(number: int) -> None:
            cursor.execute(f"SELECT SLEEP(0.02), 'handed over' AS handed_over, {number}")
            cursor.fetchall()

        load = Load(run)
        with running_agent(other.agent_config(folder(tmp_path / "other"))):
            standby(other)
            with load:
                load.goes_on()
                one.collect()
                load.goes_on()
                first.kill()
                active(other)
                load.goes_on()
                other.collect()

            def all_there() -> bool:
                other.collect()
                return calls_of(other, "select sleep(?), ? as handed_over, ?") >= load.done

            eventually(all_there, what="all executions")
            assert calls_of(other, "select sleep(?), ? as handed_over, ?") == load.done


def test_a_second_agent_with_the_same_key_is_noticed_and_collects_alone(
    control_plane: ControlPlane, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    watched = watch_postgresql(control_plane, postgresql)
    with running_agent(watched.agent_config(folder(tmp_path / "one"))):
        active(watched)
        assert watched.shown()["duplicate_seen_at"] is None
        with running_agent(watched.agent_config(folder(tmp_path / "copy"))):
            eventually(lambda: watched.shown()["duplicate_seen_at"], what="noticed")
            assert watched.collect()["state"] == "succeeded"
