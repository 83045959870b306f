"""Logs, health, systemd, the drain and the columns of PostgreSQL: small parts, each with its rule."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.domain import limits
from dbpower_agent.agent import Agent
from dbpower_agent.clock import Instant
from dbpower_agent.healthcheck import check_health, mark_alive, remove_mark
from dbpower_agent.heartbeat import number, parse_lease
from dbpower_agent.logs import JsonFormatter, SafeFormatter, TextFormatter
from dbpower_agent.sources.drain import Drain
from dbpower_agent.sources.pg_columns import Columns, count, nanoseconds
from dbpower_agent.state import AgentState
from dbpower_agent.systemd import ServiceManager


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_log_line_is_one_line_without_secrets_and_control_characters(formatter: SafeFormatter) -> None:
    formatter.mask(["canary-secret", "abc"])
    message = "login of canary-secret\r\n2026 forged line\x1b[2J \u202e \x00"
    record = logging.LogRecord("x", logging.INFO, "f", 1, "%s", (message,), None)
    line = formatter.format(record)
    assert line.isprintable()
    assert "canary-secret" not in line
    if isinstance(formatter, JsonFormatter):
        assert json.loads(line)["level"] == "info"


def test_an_exception_in_the_log_is_masked_too() -> None:
    formatter = TextFormatter()
    formatter.mask(["canary-secret"])
    try:
        raise ValueError("canary-secret")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed", (), sys.exc_info())
    line = formatter.format(record)
    assert "ValueError" in line
    assert "canary-secret" not in line


def test_health_needs_a_fresh_mark_of_a_living_process(tmp_path: Path) -> None:
    assert not check_health(tmp_path).healthy
    mark_alive(tmp_path)
    assert check_health(tmp_path).healthy
    now = Instant.now()
    assert not check_health(tmp_path, Instant(now.boot, now.boot_seconds + 60, now.wall_seconds)).healthy
    remove_mark(tmp_path)
    assert not check_health(tmp_path).healthy


def test_a_dead_or_unreadable_mark_is_unhealthy(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    mark = tmp_path / "alive.json"
    mark.write_text(json.dumps({"pid": child.pid, "at": Instant.now().as_json()}))
    assert "is gone" in check_health(tmp_path).detail
    for damaged in ("", "[]", "{}", '{"pid": "x"}'):
        mark.write_text(damaged)
        assert not check_health(tmp_path).healthy


def test_systemd_is_spoken_to_only_where_it_listens(tmp_path: Path) -> None:
    ServiceManager({}).ready()
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).alive()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0dbpower-test-{os.getpid()}")
        channel.settimeout(5)
        ServiceManager({"NOTIFY_SOCKET": f"@dbpower-test-{os.getpid()}"}).stopping()
        assert channel.recv(100) == b"STOPPING=1"


def test_the_watchdog_is_fed_twice_as_often_as_it_asks() -> None:
    assert ServiceManager({"WATCHDOG_USEC": "30000000"}).watchdog_seconds == 15
    assert ServiceManager({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_seconds is None
    assert ServiceManager({}).watchdog_seconds is None


ROWS = st.lists(st.lists(st.none() | st.binary(max_size=300), min_size=1, max_size=6).map(tuple), max_size=40)


@given(rows=ROWS)
def test_drained_rows_come_back_as_they_went_in(rows: list[tuple[bytes | None, ...]]) -> None:
    with Drain(Path("/tmp")) as drain:
        for row in rows:
            drain.add(row)
        drain.finish()
        assert list(drain.rows()) == rows
        drain.rewind()
        assert list(drain.rows()) == rows


def test_a_large_row_survives_the_drain(tmp_path: Path) -> None:
    rows = [(os.urandom(3_000_000), b"", None), (b"x" * 5_000_000, b"y", b"z")]
    with Drain(tmp_path) as drain:
        for row in rows:
            drain.add(row)
        drain.finish()
        assert list(drain.rows()) == rows
        assert list(tmp_path.iterdir()) == []


V13 = [
    "userid",
    "dbid",
    "queryid",
    "calls",
    "total_exec_time",
    "min_exec_time",
    "max_exec_time",
    "rows",
    "blk_read_time",
]
V17 = [*V13[:-1], "toplevel", "shared_blk_read_time", "local_blk_read_time", "wal_bytes", "stats_since"]


def test_columns_are_chosen_by_what_the_server_has() -> None:
    old, new = Columns.choose(V13), Columns.choose(V17)
    assert (old.toplevel, old.since) == ("true", "NULL::text")
    assert (new.toplevel, new.since) == ("s.toplevel", "s.stats_since::text")
    row = ["10", "5", "-77", False, "shop", "app", "2026-01-01"]
    member = new.member([*row, "3", "9", 1.5, 0.25, 1.0, "123", 0.5])
    assert member["key"] == "10:5:-77:f"
    assert (member["calls"], member["rows"], member["total_time_ns"]) == (3, 9, 1_500_000)
    assert member["counters"] == {"wal_bytes": 123, "blk_read_time_ns": 500_000}
    assert Columns.choose([*V13[:4], "total_time", "min_time", "max_time", "rows"]).meanings
    with pytest.raises(KeyError):
        Columns.choose(["calls", "rows"])


def test_counters_stay_within_the_wires_bounds() -> None:
    assert nanoseconds(0.000001) == 1
    assert [nanoseconds(bad) for bad in (None, -1.0, float("nan"), float("inf"), 1e300)] == [0] * 5
    assert count(str(2**70)) == 2**63 - 1
    assert count("-5") == 0


@pytest.mark.parametrize("raw", [None, 7, {}, {"held": 1, "epoch": 1}, {"held": True, "epoch": "1"}, {"held": True}])
def test_an_unusable_lease_is_no_lease(raw: object) -> None:
    assert parse_lease(raw) is None


def test_numbers_from_the_backend_are_clamped() -> None:
    assert number(1e9, 1, 600) == 600
    assert number(-1, 1, 600) == 1
    damaged: list[Any] = [None, True, "5", float("nan"), []]
    assert [number(bad, 1, 2) for bad in damaged] == [None] * 5


def test_ages_stay_within_what_the_backend_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that stands by, or is stopped, lives for years after its last collection, and each heartbeat tells its age."""
    state = AgentState(collection_interval_minutes=5, config_version=1)
    state.collected(1)
    state.set_spool(files=0, size=0, dropped=0)
    later = time.monotonic() + 400 * 86_400
    monkeypatch.setattr(time, "monotonic", lambda: later)
    stats = state.heartbeat_body()["stats"]
    assert stats["last_collection_age_seconds"] == limits.MAX_AGE_SECONDS
    assert stats["spool"]["data_age_seconds"] == limits.MAX_AGE_SECONDS
    assert stats["uptime_seconds"] == 400 * 86_400


@pytest.mark.parametrize("code", [0, 1])
def test_a_read_that_cannot_be_interrupted_changes_no_exit_code(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 tells that a thread died. The rest of the process is ended without asking the thread that reads."""
    at_work = SimpleNamespace(start=int, stop=int, join=lambda _: None, is_alive=lambda: True)
    agent = Agent.__new__(Agent)
    agent.__dict__ |= {"_manager": ServiceManager({}), "_lock": (tmp_path / "lock").open("wb")}
    agent.__dict__ |= {"_config": SimpleNamespace(state_dir=tmp_path, collector_id=7), "_watch": lambda: code}
    agent.__dict__ |= dict.fromkeys(("_heartbeat", "_collection", "_reports"), at_work)
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(logging, "shutdown", lambda: None)
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)
    agent.run()
    assert ended == [code]
