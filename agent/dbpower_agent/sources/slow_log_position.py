"""Where to go on reading `mysql.slow_log`: by the position of rows, never by their time.

The log has no key and no usable clock, but it only grows at its end, so (generation, position, hash of the row before
it) is an exact cursor. This file decides what to read; `LogTables` does the reading, so that all of it runs without a
database.

Positions count the rows of a generation that were taken. They equal positions in the table until a crash of the
machine drops rows that had been taken: new rows then refill their places, and `_offsets` remembers how far the two
moved apart.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from dbpower_agent.sources.slow_log_rows import RawRow, generation_id, row_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbpower_agent.sources.drain import Drain

CURRENT: Final = "slow_log"
REMEMBERED_ROWS: Final = 2_000
ATTEMPTS: Final = 3


@dataclass(frozen=True)
class Cursor:
    """`position` is that of the next row to take; `row_hash` is the hash of the row before it, None at position 0."""

    generation: str
    position: int
    row_hash: str | None

    @classmethod
    def from_json(cls, raw: dict[str, Any] | None) -> Cursor | None:
        """Read what the backend answered; None for anything that is no cursor."""
        if not isinstance(raw, dict):
            return None
        generation, position, last = raw.get("generation"), raw.get("position"), raw.get("row_hash")
        if not isinstance(generation, str) or isinstance(position, bool) or not isinstance(position, int):
            return None
        if position < 0 or not (last is None or isinstance(last, str)):
            return None
        return cls(generation, position, last)


@dataclass
class Segment:
    """New rows of one generation, drained. `position` is that of the first of them."""

    generation: str
    position: int
    rows: Drain
    skip: int
    table: str

    @property
    def count(self) -> int:
        return self.rows.count - self.skip

    def new_rows(self) -> Iterator[RawRow]:
        for index, row in enumerate(self.rows.rows()):
            if index >= self.skip:
                yield row


@dataclass
class Reading:
    """What one poll found. `gap` says why rows may have been lost, None when none can have been; `empty` tells that the
    log had no row at all, so that whatever stands in it later was written after this.
    """

    segments: list[Segment]
    gap: str | None = None
    empty: bool = False

    def close(self) -> None:
        for segment in self.segments:
            segment.rows.close()


class LogTables(Protocol):
    """The log and its older copies, as tables of raw rows in the order they were written."""

    def first_row(self, table: str) -> RawRow | None:
        """The first row, None when the table is empty or cannot be read."""

    def drain(self, table: str, offset: int, expected_hash: str | None) -> Drain | None:
        """All rows from `offset`, in one statement. None, at once, when the first one has not the expected hash."""

    def scan(self, table: str) -> Iterator[RawRow]:
        """All rows, for finding one of them."""


class PositionReader:
    """Finds and drains what is new. Keeps nothing that another agent could not find out, only what saves scans."""

    def __init__(self, tables: LogTables, *, identity: str, old_tables: tuple[str, ...]) -> None:
        self.tables = tables
        self._identity = identity
        self._old_tables = old_tables
        # generation -> (position, offset in the table, hash of the row before) where position and offset differ.
        self._offsets: dict[str, tuple[int, int, str]] = {}
        self._recent: dict[str, deque[tuple[int, str]]] = {}

    def generation_of(self, table: str) -> str | None:
        first = self.tables.first_row(table)
        return None if first is None else generation_id(self._identity, first)

    def holds(self, generation: str) -> bool:
        """Whether the rows of `generation` can still be read."""
        return any(self.generation_of(table) == generation for table in (CURRENT, *self._old_tables))

    def moved(self, cursor: Cursor) -> bool:
        """Whether rows of this generation no longer stand at their positions, since a crash dropped some."""
        return cursor.generation in self._offsets

    def took(self, generation: str, position: int, hash_: str) -> None:
        """Remember the newest rows taken: anchors, should the machine crash and drop the very last one."""
        recent = self._recent.setdefault(generation, deque(maxlen=REMEMBERED_ROWS))
        recent.append((position, hash_))
        for old in [known for known in self._recent if known != generation][:-1]:
            del self._recent[old]

    def read(self, cursor: Cursor | None, cursor_of: Callable[[str], Cursor | None]) -> Reading:
        """Everything written since `cursor`. `cursor_of` asks the backend for the cursor of a generation."""
        reading = Reading([])
        try:
            if cursor is not None and cursor.position > 0:
                segment = self._go_on(CURRENT, cursor)
                if segment is not None:
                    reading.segments.append(segment)
                    return reading
                self._finish_old(cursor, reading)
            self._begin_current(cursor, cursor_of, reading)
        except BaseException:
            reading.close()
            raise
        return reading

    def _finish_old(self, cursor: Cursor, reading: Reading) -> None:
        """The log has moved on: read its former table to the end, wherever that is now."""
        for table in self._old_tables:
            segment = self._go_on(table, cursor)
            if segment is not None:
                reading.segments.append(segment)
                return
        reading.gap = "the slow log was rotated or truncated, and its old rows are gone"

    def _begin_current(
        self, cursor: Cursor | None, cursor_of: Callable[[str], Cursor | None], reading: Reading
    ) -> None:
        """Read the table that is the log now, from where the backend knows it."""
        for _ in range(ATTEMPTS):
            generation = self.generation_of(CURRENT)
            if generation is None:
                reading.empty = True
                return
            known = cursor if cursor is not None and cursor.generation == generation else cursor_of(generation)
            if known is None or known.position == 0:
                segment = self._from_start(generation)
            else:
                segment = self._go_on(CURRENT, known) or self._at_end(known, reading)
            if segment is not None:
                reading.segments.append(segment)
                return

    def _from_start(self, generation: str) -> Segment | None:
        """None when the log was swapped between finding its first row and reading it."""
        drain = self.tables.drain(CURRENT, 0, None)
        if drain is None:
            return None
        first = next(drain.rows(), None) if drain.count else None
        drain.rewind()
        if first is None or generation_id(self._identity, first) != generation:
            drain.close()
            return None
        return Segment(generation, 0, drain, skip=0, table=CURRENT)

    def _go_on(self, table: str, cursor: Cursor) -> Segment | None:
        """Rows behind the last one taken. None when `table` does not hold that row, nor any taken shortly before."""
        position, offset, last = self._offsets.get(
            cursor.generation, (cursor.position, cursor.position, cursor.row_hash)
        )
        if position != cursor.position or last is None:
            position, offset, last = cursor.position, cursor.position, cursor.row_hash
        for _ in range(ATTEMPTS):
            if last is not None and offset > 0:
                drain = self.tables.drain(table, offset - 1, last)
                if drain is not None:
                    return self._segment(table, cursor, drain, offset)
            anchor = self._find_anchor(table, cursor)
            if anchor is None:
                return None
            offset, last = anchor
        return None

    def _segment(self, table: str, cursor: Cursor, drain: Drain, offset: int) -> Segment:
        segment = Segment(cursor.generation, cursor.position, drain, skip=1, table=table)
        self._offsets.pop(cursor.generation, None)
        if offset != cursor.position and drain.last is not None:
            end = (cursor.position + segment.count, offset + segment.count, row_hash(drain.last))
            self._offsets[cursor.generation] = end
        return segment

    def _find_anchor(self, table: str, cursor: Cursor) -> tuple[int, str] | None:
        """Look through `table` for rows that were taken; returns the offset behind the last of them, and its hash.

        Rows that were taken stand before all that were not, so the last match is right; and where a new row looks
        exactly like one that was taken, this counts one too few, never one too many.
        """
        if self.generation_of(table) != cursor.generation:
            return None
        known = {hash_ for position, hash_ in self._recent.get(cursor.generation, ()) if position < cursor.position}
        if cursor.row_hash is not None:
            known.add(cursor.row_hash)
        found: tuple[int, str] | None = None
        for offset, row in enumerate(self.tables.scan(table)):
            hash_ = row_hash(row)
            if hash_ in known:
                found = (offset + 1, hash_)
        return found

    def _at_end(self, cursor: Cursor, reading: Reading) -> Segment | None:
        """The same log, but no row that was taken lately is left: a crash dropped its end.

        Which of its rows are new cannot be told. Going on behind the last one counts none twice; what was written
        since the crash is reported as a gap.
        """
        count, last = 0, None
        for row in self.tables.scan(CURRENT):
            count, last = count + 1, row
        if last is None:
            return None
        reading.gap = (
            "the end of the slow log was lost in a crash; rows written since then cannot be told from older ones"
        )
        drain = self.tables.drain(CURRENT, count - 1, row_hash(last))
        return None if drain is None else self._segment(CURRENT, cursor, drain, count)
