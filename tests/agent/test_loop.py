"""The collection thread, step by step, without a database: what fails stays where it failed, and is over when it is over."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dbpower_agent.client import Client
from dbpower_agent.clock import Instant
from dbpower_agent.commands import CommandDesk, CommandResult
from dbpower_agent.loop import CollectionThread
from dbpower_agent.payload import empty_tail
from dbpower_agent.sources.base import Audit, Collection, Source, SourceTools
from dbpower_agent.sources.mysql_connection import ReadLimitError
from dbpower_agent.state import AgentState, Lease, SourceStatus
from dbpower_agent.uploader import Uploader
from tests.agent.agents import make_tools, read_config, write_config
from tests.agent.backend import FakeBackend


class Log(Source):
    """A slow log of no rows, each of whose acts a test may replace."""

    name: ClassVar[str] = "slow_log"

    def __init__(self, tools: SourceTools) -> None:
        self.tools = tools
        self.told: list[int] = []
        self.collections = 0
        self.rest = 0.0
        self.explained: Callable[[], dict[str, Any]] = dict
        self.upkeep: Callable[[], None] = lambda: None

    def probe(self) -> SourceStatus:
        return SourceStatus(self.name, readable=True)

    @property
    def pause_seconds(self) -> float:
        return self.rest

    def collect(self, epoch: int, audit: Audit | None = None) -> Collection:
        self.collections += 1
        envelope = {
            "source": self.name,
            "epoch": epoch,
            "interval_seconds": None,
            "generation": "a" * 64,
            "position": 0,
        }
        self.tools.spool.put(
            {**envelope, "row_hash": "b" * 64, "lost_rows": 0}, empty_tail(), count=0, read_at=Instant.now()
        )
        return Collection(0, 1)

    def close(self) -> None: ...

    def explain(self, params: dict[str, Any]) -> dict[str, Any]:
        return self.explained()

    def delivered(self) -> None:
        self.upkeep()

    def tell_totals(self, epoch: int, audit: Audit) -> None:
        self.told.append(audit.command_id)


class Digests(Log):
    """Another source of the same server, which uploads nothing."""

    name: ClassVar[str] = "performance_schema"

    def collect(self, epoch: int, audit: Audit | None = None) -> Collection:
        self.collections += 1
        return Collection(0, 0)


class Clock:
    """The monotonic clock, `passed` seconds after the test began."""

    def __init__(self) -> None:
        self.began, self.passed = time.monotonic(), 0.0

    def __call__(self) -> float:
        return self.began + self.passed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


class Bench:
    def __init__(self, backend: FakeBackend, folder: Path, *, digests: bool = False) -> None:
        config = read_config(write_config(folder, backend.url, "mysql", {}))
        self.tools = make_tools(folder)
        self.source, self.digests = Log(self.tools), Digests(self.tools)
        self.sources: tuple[Source, ...] = (self.source, self.digests) if digests else (self.source,)
        self.state = AgentState(collection_interval_minutes=5, config_version=1)
        self.state.set_lease(Lease(held=True, epoch=1))
        self.thread = CollectionThread(
            config,
            self.state,
            lambda _: self.sources,
            Uploader(Client(config), self.tools.spool, self.state),
            on_config=lambda _: None,
            on_source_change=lambda: None,
        )
        self.results: dict[int, CommandResult] = {}
        self.desk = CommandDesk(self.state, report=self.results.__setitem__, wake=lambda: None)
        self.thread.take_commands_from(self.desk)

    def step_unprobed(self, clock: Clock) -> None:
        """Go through the loop once; whether the sources can be read is looked at another time."""
        self.thread._probe_at = clock.began + 1e6
        self.thread._step()

    def carry_out(self, name: str) -> CommandResult:
        number = len(self.results) + 1
        self.desk.receive([{"id": number, "command": name, "params": {}}])
        self.thread._step()
        return self.results[number]

    @property
    def error(self) -> str | None:
        error: str | None = self.state.heartbeat_body()["error"]
        return error


@pytest.fixture
def bench(backend: FakeBackend, tmp_path: Path) -> Bench:
    return Bench(backend, tmp_path)


def broken() -> dict[str, Any]:
    raise ZeroDivisionError


@pytest.mark.parametrize("afterwards", ["explain", "collect"])
def test_the_error_of_a_command_that_broke_lasts_until_something_works(bench: Bench, afterwards: str) -> None:
    bench.source.explained = broken
    assert bench.carry_out("explain").result == {"code": "internal_error"}
    assert bench.error == "command explain failed unexpectedly"
    bench.source.explained = dict
    assert bench.carry_out(afterwards).success
    assert bench.error is None


def test_a_collection_by_itself_ends_the_error_of_a_command_too(bench: Bench) -> None:
    bench.source.explained = broken
    bench.carry_out("explain")
    bench.state.set_auto_collect(on=True)
    bench.thread._step()
    assert bench.error is None


def test_a_statement_that_takes_too_long_in_the_upkeep_ends_nothing(bench: Bench) -> None:
    def slow() -> None:
        raise ReadLimitError("the server ended the statement: it took too long")

    bench.source.upkeep = slow
    bench.state.set_auto_collect(on=True)
    bench.thread._step()
    assert bench.error == "the server ended the statement: it took too long"


def test_totals_of_a_log_are_told_only_when_the_backend_has_its_uploads(bench: Bench, backend: FakeBackend) -> None:
    """What still waits would be missing there, and look like a difference."""
    backend.failures = [(503, {"Retry-After": "1"})]
    assert bench.carry_out("audit").result["waiting_uploads"] == 1
    assert bench.source.told == []
    bench.carry_out("audit")
    assert bench.source.told == [2]


def test_a_log_that_takes_long_to_read_makes_no_other_source_wait(
    backend: FakeBackend, tmp_path: Path, clock: Clock
) -> None:
    bench = Bench(backend, tmp_path, digests=True)
    bench.state.set_auto_collect(on=True)
    bench.source.rest = 1000.0

    def collections() -> tuple[int, int]:
        bench.step_unprobed(clock)
        return bench.source.collections, bench.digests.collections

    assert collections() == (1, 1)
    assert collections() == (1, 1), "the interval is not over"
    clock.passed = 301.0
    assert collections() == (1, 2)
    assert bench.carry_out("collect").success
    assert (bench.source.collections, bench.digests.collections) == (2, 3), "whoever asks for one gets it"
    clock.passed += 301.0
    assert collections() == (2, 4)
    clock.passed += 700.0
    assert collections() == (3, 5)


def test_a_log_alone_rests_for_as_long_as_it_takes(backend: FakeBackend, tmp_path: Path, clock: Clock) -> None:
    bench = Bench(backend, tmp_path)
    bench.source.rest = 1000.0
    bench.state.set_auto_collect(on=True)
    for seconds, expected in ((0.0, 1), (301.0, 1), (999.0, 1), (1001.0, 2)):
        clock.passed = seconds
        bench.step_unprobed(clock)
        assert bench.source.collections == expected


def test_a_log_goes_on_resting_while_the_other_source_cannot_be_read(
    backend: FakeBackend, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(backend, tmp_path, digests=True)
    bench.source.rest = 1000.0
    bench.state.set_auto_collect(on=True)
    bench.thread._step()
    monkeypatch.setattr(bench.digests, "probe", broken)
    for seconds in (301.0, 401.0, 501.0):
        clock.passed = seconds
        bench.step_unprobed(clock)
    assert (bench.source.collections, bench.error) == (1, "ZeroDivisionError")
