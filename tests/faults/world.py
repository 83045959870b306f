"""One monitored server with its agent, the control plane, and a proxy between the two that fails when told to."""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.agent.agents import AgentProcess, eventually
from tests.faults.proxy import FaultyProxy
from tests.faults.totals import Ledger, Totals, above, summed, total
from tests.servers.control_plane import ControlPlane
from tests.watched import Watched

LONGEST_WAIT = 60.0
# Why numbers may be below the truth; the other kinds say something else about them.
MISSING = {"generation", "evictions", "lost_rows", "overflow"}


class World(Watched):
    """A collector of its own on the shared control plane, and the agent that belongs to it.

    `truth` returns what the monitored server itself has counted since `watch` began.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        engine: str,
        config: dict[str, Any],
        folder: Path,
        truth: Callable[[], dict[str, Totals]],
    ) -> None:
        super().__init__(control_plane, engine, config)
        self.folder, self.truth = folder, truth
        folder.mkdir(exist_ok=True)
        self.proxy = FaultyProxy(lambda: control_plane.port)
        self.agent: AgentProcess | None = None
        self._numbers = itertools.count(1)
        self._state = folder
        self.prints_logs = True

    @property
    def backend_url(self) -> str:
        """Where the agent finds the control plane: behind the proxy."""
        return self.proxy.address

    def __enter__(self) -> Self:
        self.proxy.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_agent()
        self.proxy.__exit__(kind, error, trace)
        if not self.prints_logs:
            return
        sys.stdout.write(f"--- the control plane\n{self.control_plane.process.log_tail(30)}\n")
        for log in sorted(self.folder.glob("*/agent.log")):
            sys.stdout.write(f"--- {log.parent.name}\n{log.read_text(errors='replace')}")

    # -- The agent -----------------------------------------------------------------------------------------------------

    def start_agent(self, *, keep_state: bool = False, **settings: object) -> AgentProcess:
        """Start an agent, with an empty state directory unless it is to keep that of the one before."""
        if not keep_state:
            self._state = self.folder / f"agent-{next(self._numbers)}"
            self._state.mkdir()
        self.agent = AgentProcess(self.agent_config(self._state, **settings))
        return self.agent

    def kill_agent(self) -> None:
        """End it at once, as `kill -9` does."""
        if self.agent is not None and self.agent.running:
            self.agent.kill()

    def watch(self) -> Self:
        """Start an agent and wait until counting has begun."""
        self.start_agent()
        self.collect()
        return self

    def collect(self) -> dict[str, Any]:
        """Have the agent collect, and wait until the control plane has everything that the agent had to say."""

        def done() -> dict[str, Any] | None:
            ended = super(World, self).collect()
            return ended if ended["state"] == "succeeded" and ended["result"]["waiting_uploads"] == 0 else None

        collected: dict[str, Any] = eventually(done, seconds=LONGEST_WAIT, what="a collection succeeded")
        return collected

    def uploads(self, more: int = 1) -> None:
        """Wait until `more` further uploads with rows were taken."""
        wanted = self.proxy.uploads + more
        eventually(lambda: self.proxy.uploads >= wanted, seconds=LONGEST_WAIT, what=f"{more} further uploads")

    def spooled(self) -> list[Path]:
        """Return the uploads that wait on the agent's disk, oldest first."""
        return sorted(self._state.glob("state/spool/*.upload"))

    # -- The numbers ---------------------------------------------------------------------------------------------------

    def ledger(self) -> dict[str, Totals]:
        """Return what DBPower says that each statement of the load cost."""
        return summed((row["fingerprint"] or "", _totals(row)) for row in self._queries())

    def gaps(self, *kinds: str) -> list[dict[str, Any]]:
        """Return what DBPower says is missing from its numbers; all that lowers them unless kinds are named."""
        path = f"queries?database_id={self.collector['database_id']}"
        found: list[dict[str, Any]] = self.call("GET", path)["completeness"]
        return [gap for gap in found if gap["kind"] in (kinds or MISSING)]

    def missing(self) -> Totals:
        """Return the truth less what is stored, after everything has arrived; assert that nowhere is more stored."""
        self.collect()
        self.collect()
        truth, stored = self.truth(), self.ledger()
        assert above(stored, truth) == {}, "more is stored than the server counted"
        return total(truth) - total(stored)

    def assert_balanced(self) -> None:
        """Assert that every statement's numbers equal the server's own, and that nothing is said to be missing."""
        self.collect()
        self.collect()
        stored, truth = self.ledger(), self.truth()
        assert stored == truth
        assert total(truth).calls > 0, "nothing was compared"
        assert self.gaps() == []

    def assert_never_above(self) -> None:
        """Assert, at any moment, that no more is stored than the server counted."""
        stored: Ledger = self.ledger()
        assert above(stored, self.truth()) == {}

    def all_counted(self, statements: int) -> None:
        """Wait until the server has counted as much: a row of a slow log is written after the client has its answer."""
        eventually(lambda: total(self.truth()).calls >= statements, what=f"{statements} statements counted")

    def _queries(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        path = f"queries?database_id={self.collector['database_id']}&page_size=500"
        for page in itertools.count(1):
            answer = self.call("GET", f"{path}&page={page}")
            rows += answer["queries"]
            if answer["next"] is None:
                return rows
        raise AssertionError

    # -- The control plane ---------------------------------------------------------------------------------------------

    def kill_backend(self) -> None:
        """End all its processes at once."""
        self.control_plane.process.kill()

    def start_backend(self) -> None:
        """Start it again. Only from the thread of the test: the kernel ties the two together."""
        self.control_plane.process.start(120)


def _totals(row: dict[str, Any]) -> Totals:
    return Totals(row["calls"], round(row["total_time_ms"] * 1_000_000), row["rows"])
