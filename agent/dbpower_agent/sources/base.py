"""What every source offers, and what it is given to work with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from dbpower_agent.state import SourceStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbpower_agent.payload import Part
    from dbpower_agent.spool import Spool


class SourceError(Exception):
    """A source cannot be read. `remedy` is the statement or setting that mends it, where one does.

    `detail` is shown to operators: it names no secret and quotes no statement.
    """

    def __init__(self, code: str, detail: str, remedy: str | None = None) -> None:
        super().__init__(f"{detail} (to mend it: {remedy})" if remedy else detail)
        self.code = code
        self.detail = detail
        self.remedy = remedy


@dataclass(frozen=True)
class Audit:
    """A command to let the backend compare what it has stored with the server's own numbers.

    `log_positions` holds by generation of the slow log the position from which on the backend still has every row.
    """

    command_id: int
    log_positions: dict[str, int]

    @classmethod
    def of(cls, command_id: int, params: dict[str, Any]) -> Audit:
        """Read a command's `params`; what is not understood there asks for everything."""
        raw = params.get("log_positions")
        known = raw.items() if isinstance(raw, dict) else ()
        return cls(command_id, {str(key): max(at, 0) for key, at in known if type(at) is int})


class CursorDesk(Protocol):
    """Where a source asks the backend at once, past the spool."""

    def ask_cursor(self, source: str, epoch: int, generation: str | None) -> dict[str, Any] | None:
        """The backend's `cursor` for a generation, or for the one that moved last. Raise BackendUnreachableError."""

    def send_now(self, envelope: dict[str, Any], tail: bytes) -> None:
        """Send an upload that is worth nothing later. Raise BackendUnreachableError."""


@dataclass(frozen=True)
class Collection:
    """What one collection brought: rows or statements read, and uploads put on the spool.

    `more` is true when the source holds more than one collection takes: the next one should follow at once.
    """

    queries: int
    uploads: int
    more: bool = False


class SnapshotNumbers:
    """The numbers of snapshots within an epoch, kept for as long as the process lives: a source that is made anew for
    another configuration has to go on counting, or its snapshots would look older than the last one.
    """

    def __init__(self) -> None:
        self.last: dict[str, tuple[int, int]] = {}

    def next(self, source: str, epoch: int) -> int:
        """The number of the next snapshot of `source`; a new epoch begins with 1."""
        last_epoch, seq = self.last.get(source, (epoch, 0))
        self.last[source] = (epoch, seq + 1 if last_epoch == epoch else 1)
        return self.last[source][1]


@dataclass(frozen=True)
class SourceTools:
    """What the agent lends to a source. `still_alive` is called during long work, for the watchdog."""

    spool: Spool
    cursors: CursorDesk
    state_dir: Path
    still_alive: Callable[[], None]
    interval_seconds: Callable[[], float]
    numbers: SnapshotNumbers = field(default_factory=SnapshotNumbers)


class Source(ABC):
    """One place to read. Used by the collection thread only; keeps one connection and opens it again when it broke."""

    name: ClassVar[str]

    @abstractmethod
    def probe(self) -> SourceStatus:
        """Connect where necessary and read next to nothing. Raise SourceError when the source cannot be read."""

    @abstractmethod
    def collect(self, epoch: int, audit: Audit | None = None) -> Collection:
        """Read once and put uploads on the spool, marked where they are for an audit.

        Raise SourceError, BackendUnreachableError or OSError.
        """

    @abstractmethod
    def close(self) -> None:
        """Drop the connection. Never raises."""

    def wanted_texts(self, keys: list[str]) -> Iterator[Part]:  # noqa: ARG002  (sources without texts have none)
        """The finished-but-open parts of an upload of texts for `keys`; see `text_wanted` in docs/wire.md."""
        return iter(())

    def explain(self, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  (most sources have no plans)
        """Carry out the command `explain`: the plan of a statement that the server has recorded. Raise SourceError."""
        raise SourceError("no_plans", "only PostgreSQL makes plans of statements without their literals")

    def delivered(self) -> None:  # noqa: B027  (most sources leave the server alone)
        """Everything that was read is with the backend. Raise SourceError."""

    def tell_totals(self, epoch: int, audit: Audit) -> None:  # noqa: B027  (snapshots are compared when they arrive)
        """Send what an audit needs beside the uploads, once the backend has those. Raises what `collect` raises."""

    def cursor_refused(self, envelope: dict[str, Any], cursor: dict[str, Any] | None) -> int | None:  # noqa: ARG002
        """The backend's cursor is below an upload. Return the `lost_rows` to declare, None to read again instead."""
        return None

    def rejected(self, envelope: dict[str, Any], count: int) -> None:  # noqa: B027  (most sources need not know)
        """The backend will never take an upload of `count` members."""

    @property
    def pause_seconds(self) -> float:
        """The least time between the beginnings of two reads of it that keeps the load on the server small."""
        return 0.0


@cache
def statement(name: str) -> str:
    """The text of `sql/{name}.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8").strip()
