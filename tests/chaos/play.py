"""The run: four monitored servers under load, their agents, one control plane, and a schedule of what befalls them."""

import contextlib
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.chaos.schedule import Act, Moment, Target, draw_schedule
from tests.chaos.sites import SESSIONS, Site, Verdict
from tests.faults.conftest import make_world
from tests.faults.load import load_of
from tests.servers import MariaDB, PostgreSQL
from tests.servers.control_plane import ControlPlane
from tests.servers.process import descendants

TARGETS = [
    Target("PostgreSQL, spared", postgresql=True, spared=True),
    Target("MariaDB, spared", postgresql=False, spared=True),
    Target("PostgreSQL, harmed", postgresql=True, spared=False),
    Target("MariaDB, harmed", postgresql=False, spared=False),
]
# Between two statements of a session: the machine has other things to do.
PAUSE = 0.03
Tell = Callable[[str], None]


class Chaos:
    """One run of `seconds`. `tell` gets a line for everything that happens."""

    def __init__(self, *, seed: int, seconds: float, tell: Tell) -> None:
        self.seed, self.seconds, self.tell = seed, seconds, tell
        self.done: Counter[Act] = Counter()

    def run(self) -> list[Verdict]:
        """Return the verdict on each server; the run itself asserts that never more is stored than was counted."""
        with contextlib.ExitStack() as stack:
            self._database = stack.enter_context(PostgreSQL())
            self._control_plane = stack.enter_context(ControlPlane({"DATABASE_URL": self._database.url()}))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbpower-chaos-")))
            self.sites = [stack.enter_context(self._site(target, folder)) for target in TARGETS]
            for site in self.sites:
                site.world.watch()
                stack.enter_context(site.load.going_on(SESSIONS))
                site.begin_faults()
            self.tell(f"four servers under load, seed {self.seed}, {self.seconds:.0f} s")
            self._play(draw_schedule(seed=self.seed, seconds=self.seconds, targets=TARGETS))
            return self._settle()

    @contextlib.contextmanager
    def _site(self, target: Target, folder: Path) -> Iterator[Site]:
        with PostgreSQL() if target.postgresql else MariaDB() as server:
            here = folder / target.name.replace(", ", "-")
            with make_world(self._control_plane, server, here) as world:
                load = load_of(server, seed=self.seed, pause=PAUSE)
                yield Site(target, server, world, load, random.Random(f"{self.seed} {target.name}"))

    def _play(self, schedule: list[Moment]) -> None:
        began = time.monotonic()
        for moment in schedule:
            time.sleep(max(0.0, began + moment.at - time.monotonic()))
            if time.monotonic() - began > self.seconds:
                break
            self._do(moment)
            for site in self.sites:
                site.world.proxy.deliver_late(site.draw)
            if moment.act is Act.KILL_CONTROL_PLANE:
                # It has just come back: a good moment to ask.
                self._never_above()
        time.sleep(max(0.0, began + self.seconds - time.monotonic()))

    def _do(self, moment: Moment) -> None:
        site = next((site for site in self.sites if site.target is moment.target), None)
        done = site.do(moment.act) if site else self._do_to_control_plane(moment.act)
        if done:
            self.done[moment.act] += 1
            self.tell(f"{moment.act}{'' if moment.target is None else f' ({moment.target.name})'}")

    def _do_to_control_plane(self, act: Act) -> bool:
        process = self._control_plane.process
        match act:
            case Act.KILL_CONTROL_PLANE:
                process.kill()
                process.start(120)
            case Act.KILL_WORKER:
                os.kill(worker_of(process.pid), signal.SIGKILL)
                # Without its worker it ends by itself, as its supervisor expects, who starts it again.
                process.stop()
                process.start(120)
            case Act.CRASH_ITS_DATABASE:
                self._database.crash()
                self._database.start()
            case _:
                raise AssertionError(act)
        return True

    def _never_above(self) -> None:
        for site in self.sites:
            if site.target.spared:
                site.world.assert_never_above()

    def _settle(self) -> list[Verdict]:
        self.tell("the load ends; waiting until everything has arrived")
        for site in self.sites:
            site.load.stop()
            site.end_faults()
        verdicts = [site.verdict() for site in self.sites]
        for verdict in verdicts:
            verdict.site.world.prints_logs = bool(verdict.faults)
        return verdicts


def worker_of(pid: int) -> int:
    """Return the process of the worker among the descendants of `manage.py serve`."""
    for child in descendants(pid):
        with contextlib.suppress(OSError):
            if "worker" in Path(f"/proc/{child}/cmdline").read_text().split("\0"):
                return child
    raise AssertionError("no worker runs")
