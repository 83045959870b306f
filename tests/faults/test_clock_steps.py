"""The clock of a host is put forward and back while statements run: one that is wrong about the time counts right."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.agent.agents import eventually
from tests.faults.conftest import WorldOf, make_world
from tests.faults.load import Load, load_of
from tests.faults.world import World
from tests.servers import MariaDB, PostgreSQL
from tests.servers.control_plane import ControlPlane

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
HOUR = timedelta(hours=1)
SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """The clock of all processes that are started while it is in force. Their monotonic clocks go on as ever."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        library = folder / "clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        self._offset = folder / "clock"
        self.step(timedelta())
        self._environment = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(self._offset)}
        self._monkeypatch = monkeypatch

    def step(self, away: timedelta) -> None:
        """Set it that far from the true time."""
        made = self._offset.with_suffix(".new")
        made.write_text(f"{away.total_seconds():.0f}\n")
        made.chmod(0o644)
        made.replace(self._offset)

    def begin(self) -> None:
        """Put it in force."""
        for name, value in self._environment.items():
            self._monkeypatch.setenv(name, value)

    def end(self) -> None:
        """Let processes that are started from now on have the true time."""
        for name in self._environment:
            self._monkeypatch.delenv(name)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    with tempfile.TemporaryDirectory(prefix="clock-", dir="/tmp") as folder:
        # Servers run under accounts of their own, which cannot enter pytest's folders.
        Path(folder).chmod(0o755)
        yield Clock(Path(folder), monkeypatch)


@pytest.fixture(params=[PostgreSQL, MariaDB])
def stepping(request: pytest.FixtureRequest, clock: Clock) -> Iterator[PostgreSQL | MariaDB]:
    """A server that goes by the clock."""
    clock.begin()
    with request.param() as server:
        clock.end()
        yield server


def step_under_load(world: World, load: Load, clock: Clock, seen: Callable[[], datetime] | None = None) -> None:
    """Put the clock forward, back and forward again while statements run, and wait until all were counted."""
    with load.going_on():
        # The last is the latest: what a control plane filed under a time to come is in no period that ends now.
        for away in (2 * HOUR, -HOUR, 2 * HOUR):
            clock.step(away)
            if seen is not None:
                assert abs(seen() - datetime.now(UTC) - away) < timedelta(seconds=10), "the clock was put"
            world.uploads(3)
    world.all_counted(load.answered.total())
    world.assert_balanced()


def test_the_clock_of_the_monitored_server(stepping: PostgreSQL | MariaDB, world_of: WorldOf, clock: Clock) -> None:
    world, load = world_of(stepping).watch(), load_of(stepping)
    utc = "now() AT TIME ZONE 'UTC'" if isinstance(stepping, PostgreSQL) else "UTC_TIMESTAMP(6)"

    def seen() -> datetime:
        now: datetime = stepping.execute(f"SELECT {utc}")[0][0]
        return now.replace(tzinfo=UTC)

    step_under_load(world, load, clock, seen)


def test_the_clock_of_the_agent(either: PostgreSQL | MariaDB, world_of: WorldOf, clock: Clock) -> None:
    world, load = world_of(either), load_of(either)
    clock.begin()
    world.watch()
    clock.end()
    step_under_load(world, load, clock)
    # The clock is two hours ahead now, which the control plane tells.
    eventually(lambda: abs(world.shown()["clock_skew_seconds"] - 2 * HOUR.total_seconds()) < 10, seconds=60)


def test_the_clock_of_the_control_plane(either: PostgreSQL | MariaDB, tmp_path: Path, clock: Clock) -> None:
    clock.begin()
    with ControlPlane() as control_plane:
        clock.end()
        with make_world(control_plane, either, tmp_path) as world:
            step_under_load(world.watch(), load_of(either), clock)
