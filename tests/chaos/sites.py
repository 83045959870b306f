"""A monitored server under load, what was done to it, and what that may have cost."""

import math
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dbpower_agent.fingerprint import fingerprint
from tests.chaos.schedule import Act, Target
from tests.faults.load import Load
from tests.faults.proxy import Fault
from tests.faults.totals import Totals, total
from tests.faults.world import World
from tests.servers import MariaDB, PostgreSQL

SESSIONS = 2
# How much the times of an event and of a gap may differ: both clocks are this machine's, one is read a little later.
SLACK = timedelta(seconds=2)


@dataclass
class Site:
    """One server with its load and its agent.

    `explained` is the most that what was done to it can have cost, in calls; `swallowed` the part of it of which nobody can
    know: rows that a server had yet to write into its log when it ended.
    """

    target: Target
    server: PostgreSQL | MariaDB
    world: World
    load: Load
    draw: random.Random
    explained: int = 0
    swallowed: int = 0
    rotated: float = 0.0
    harmed_at: float = 0.0
    harms: list[tuple[datetime, datetime]] = field(default_factory=list)

    def begin_faults(self) -> None:
        """From now on some uploads are lost, doubled, cut or late."""
        faults = [Fault.NONE] * 12 + list(Fault)
        self.world.proxy.fault_of = lambda: self.draw.choice(faults)

    def end_faults(self) -> None:
        """Let everything pass that still has to, also what was held back."""
        self.world.proxy.fault_of = lambda: Fault.NONE
        self.world.proxy.away = False
        self.world.proxy.deliver_late(self.draw)

    def do(self, act: Act) -> bool:
        """Do it to this server or its agent; tell whether it was done, for some acts have to wait for a better moment."""
        match act:
            case Act.KILL_AGENT | Act.KILL_AGENT_KEEP:
                self.world.kill_agent()
                time.sleep(self.draw.uniform(0, 1.5))
                self.world.start_agent(keep_state=act is Act.KILL_AGENT_KEEP)
            case Act.CUT_OFF:
                self.world.proxy.away = True
                time.sleep(self.draw.uniform(0.5, 3))
                self.world.proxy.away = False
            case Act.ROTATE:
                return self._rotate()
            case Act.TRUNCATE if self._begun_unseen():
                # A log that begins and ends before anybody has looked leaves no trace (docs/guarantees.md).
                return False
            case _:
                self._harm(act)
        return True

    def _rotate(self) -> bool:
        # Operators keep the former log until it was read: an agent looks at one table behind the present one.
        if self._begun_unseen():
            return False
        self.server.execute("DROP TABLE IF EXISTS mysql.slow_log_prev")
        self.server.execute("CREATE TABLE mysql.slow_log_next LIKE mysql.slow_log")
        self.server.execute("RENAME TABLE mysql.slow_log TO mysql.slow_log_prev, mysql.slow_log_next TO mysql.slow_log")
        self.rotated = time.monotonic()
        return True

    def _begun_unseen(self) -> bool:
        """Tell whether the control plane has yet to hear of the log that the last rotation began."""
        return bool(self.rotated) and self.world.proxy.read_until < self.rotated

    def _harm(self, act: Act) -> None:
        unread_since, began = max(self.world.proxy.read_until, self.harmed_at), datetime.now(UTC)
        match act:
            case Act.RESTART:
                self.server.restart()
            case Act.CRASH:
                self.server.crash()
                self.server.start()
            case Act.RESET:
                self.server.execute("SELECT pg_stat_statements_reset()")
            case Act.TRUNCATE:
                self.server.execute("TRUNCATE TABLE mysql.slow_log")
            case _:
                raise AssertionError(act)
        self.harms.append((began, datetime.now(UTC)))
        if act in {Act.RESET, Act.TRUNCATE} or (act is Act.CRASH and self.target.postgresql):
            # The counters went, and with them what nobody had read yet: also an answer that a session has yet to note.
            self.explained += self.load.answered_since(unread_since) + SESSIONS
            self.harmed_at = time.monotonic()
        elif not self.target.postgresql:
            # A row is written after the client has its answer: one of each session may never have been.
            self.explained += SESSIONS
            self.swallowed += SESSIONS

    def verdict(self) -> "Verdict":
        """Return what the ledger says, after everything has arrived."""
        if self.target.spared:
            self.world.all_counted(self.load.answered.total())
        self.world.collect()
        self.world.collect()
        stored, truth, gaps = self.world.ledger(), self.world.truth(), self.world.gaps()
        faults = list(self._unequal(stored, truth) if self.target.spared else self._beyond(stored))
        faults += [f"a gap that nothing explains: {_named(gap)}" for gap in gaps if not self._explains(gap)]
        missing = self.load.answered.total() - total(stored).calls
        if missing > self.explained:
            faults.append(f"{missing} calls are missing, {self.explained} are explained")
        if missing > self.swallowed + told(gaps):
            faults.append(f"{missing} calls are missing, the gaps tell of {told(gaps):.0f}")
        counted = total(truth).calls if self.target.spared else None
        return Verdict(self, total(stored), counted, missing, gaps, faults)

    def _unequal(self, stored: Mapping[str, Totals], truth: Mapping[str, Totals]) -> list[str]:
        keys = sorted({*stored, *truth})
        return [
            f"{key!r}: the server says {truth.get(key)}, stored is {stored.get(key)}"
            for key in keys
            if stored.get(key) != truth.get(key)
        ]

    def _beyond(self, stored: Mapping[str, Totals]) -> list[str]:
        """Return the statements of which more is stored than can have run. The server itself forgot its numbers."""
        most: Counter[str] = Counter()
        for template, calls in (self.load.answered + self.load.unanswered).items():
            sql = template.format(number=1)
            most[fingerprint(sql, dialect="postgres" if self.target.postgresql else "mysql")] += calls
        return [
            f"{key!r}: {totals.calls} stored, at most {most[key]} have run"
            for key, totals in stored.items()
            if totals.calls > most[key]
        ]

    def _explains(self, gap: Mapping[str, Any]) -> bool:
        start, end = (datetime.fromisoformat(gap[name]) for name in ("covered_from", "covered_to"))
        return any(start <= ended + SLACK and began - SLACK <= end for began, ended in self.harms)


@dataclass(frozen=True)
class Verdict:
    """What came out for one site. `counted` is the server's own number of calls, None where it was made to forget."""

    site: Site
    stored: Totals
    counted: int | None
    missing: int
    gaps: list[dict[str, Any]]
    faults: list[str]


def told(gaps: list[dict[str, Any]]) -> float:
    """Return how many calls the gaps say are missing; without bound where one of them cannot say."""
    return sum(math.inf if gap["amount"] is None else gap["amount"] for gap in gaps)


def _named(gap: Mapping[str, Any]) -> str:
    return f"{gap['kind']} of {gap['amount']}, {gap['covered_from']} to {gap['covered_to']}"
