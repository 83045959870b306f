"""What the agent is doing and what it was told: the one object its threads share."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import asdict, dataclass
from typing import Any, Final

from dbpower_agent import __version__
from dbpower_agent.clock import LONGEST_AGE_SECONDS

LONGEST_ERROR: Final = 1000


@dataclass(frozen=True)
class Lease:
    """Whether this agent is the one that collects. `epoch` orders snapshots across agent processes."""

    held: bool
    epoch: int


@dataclass(frozen=True)
class SourceStatus:
    """Can the source be read? `code`, `detail` and `remedy` (a statement or setting) say what is wrong where it is not."""

    name: str
    readable: bool
    code: str | None = None
    detail: str | None = None
    remedy: str | None = None


def summary(statuses: list[SourceStatus]) -> dict[str, Any] | None:
    """What a heartbeat says of the sources: of a single one everything, of several the first that has trouble.

    Several count as readable while any of them is; `sources` then holds each of them.
    """
    if not statuses:
        return None
    worst = min(statuses, key=lambda status: (status.readable, status.code is None))
    told = asdict(worst)
    if len(statuses) > 1:
        told["readable"] = any(status.readable for status in statuses)
        told["sources"] = [asdict(status) for status in statuses]
    return told


class AgentState:
    """Thread-safe. Counters run from the start of the process; `errors` holds one text for each part that has trouble."""

    def __init__(self, *, collection_interval_minutes: float, config_version: int) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._instance = uuid.uuid4().hex
        self._queries_collected = 0
        self._errors_count = 0
        self._errors: dict[str, str] = {}
        self._last_collection: float | None = None
        self._sources: dict[str, SourceStatus] = {}
        self._spool = (0, 0, 0)
        self._delivered: float | None = None
        self._lease: Lease | None = None
        self._auto_collect = False
        self._interval_minutes = collection_interval_minutes
        self._config_version = config_version
        self._clock_skew: float | None = None

    @property
    def lease(self) -> Lease | None:
        with self._lock:
            return self._lease

    @property
    def auto_collect(self) -> bool:
        with self._lock:
            return self._auto_collect

    @property
    def interval_seconds(self) -> float:
        with self._lock:
            return self._interval_minutes * 60.0

    @property
    def config_version(self) -> int:
        with self._lock:
            return self._config_version

    @property
    def clock_skew_seconds(self) -> float | None:
        with self._lock:
            return self._clock_skew

    def set_auto_collect(self, *, on: bool) -> None:
        with self._lock:
            self._auto_collect = on

    def set_interval(self, minutes: float) -> None:
        with self._lock:
            self._interval_minutes = minutes

    def set_lease(self, lease: Lease | None) -> None:
        with self._lock:
            self._lease = lease

    def set_config_version(self, version: int) -> None:
        with self._lock:
            self._config_version = version

    def set_clock_skew(self, seconds: float) -> None:
        with self._lock:
            self._clock_skew = seconds

    def set_spool(self, *, files: int, size: int, dropped: int) -> None:
        with self._lock:
            self._spool = (files, size, dropped)
            if not files:
                self._delivered = self._last_collection

    def set_source(self, status: SourceStatus) -> bool:
        """Note what is known of a source; True when it differs from before, so that the backend should hear soon."""
        with self._lock:
            before = self._sources.get(status.name)
            self._sources[status.name] = status
            return before is None or (before.readable, before.code) != (status.readable, status.code)

    def collected(self, queries: int) -> None:
        """One collection was read and stored; its age counts from now."""
        with self._lock:
            self._queries_collected += queries
            self._last_collection = time.monotonic()

    def failed(self, part: str, text: str) -> None:
        """Count an error of `part` and show it until `recovered(part)`."""
        with self._lock:
            self._errors_count += 1
            self._errors[part] = text[:LONGEST_ERROR]

    def recovered(self, part: str) -> None:
        with self._lock:
            self._errors.pop(part, None)

    def heartbeat_body(self, *, stopping: bool = False) -> dict[str, Any]:
        """The body of a heartbeat, as `docs/wire.md` describes it."""
        with self._lock:
            now = time.monotonic()
            files, size, dropped = self._spool
            stats: dict[str, Any] = {
                "queries_collected": self._queries_collected,
                "errors_count": self._errors_count,
                "uptime_seconds": int(now - self._started),
                # Shown to operators, and used for nothing: everything else is told as an age.
                "agent_clock_seconds": round(time.time(), 3),
                "instance": self._instance,
                "version": __version__,
                "auto_collect": self._auto_collect,
                "config_version": self._config_version,
                "last_collection_age_seconds": _age(self._last_collection, now),
                "stopping": stopping,
                "source": summary(list(self._sources.values())),
                "spool": {
                    "files": files,
                    "bytes": size,
                    "dropped_files": dropped,
                    "data_age_seconds": _age(self._delivered, now),
                },
            }
            if not self._sources:
                del stats["source"]
            error = "; ".join(self._errors.values())[:LONGEST_ERROR] or None
            return {"stats": stats, "error": error}


def _age(moment: float | None, now: float) -> float | None:
    # The backend takes no longer one, and would refuse every heartbeat of an agent that has been idle for more than a year.
    return None if moment is None else min(round(now - moment, 3), LONGEST_AGE_SECONDS)
