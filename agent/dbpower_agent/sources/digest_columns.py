"""Which columns `events_statements_summary_by_digest` has on this server, and how its rows become the wire's members.

Columns are asked for by name and never derived from a version: MariaDB has fewer than MySQL, and MySQL gained some.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MAX_INT: Final = 2**63 - 1
PICOSECONDS_PER_NANOSECOND: Final = 1_000
# The key of the row that takes what the table has no room for: neither schema nor digest.
OVERFLOW_KEY: Final = ":"

# Wire name, column, whether it is a time in picoseconds. Without the first five a row says nothing.
OWN: Final = (
    ("calls", "COUNT_STAR", False),
    ("total_time_ns", "SUM_TIMER_WAIT", True),
    ("min_time_ns", "MIN_TIMER_WAIT", True),
    ("max_time_ns", "MAX_TIMER_WAIT", True),
    ("rows", "SUM_ROWS_SENT", False),
)
COUNTERS: Final = (
    ("rows_examined", "SUM_ROWS_EXAMINED", False),
    ("rows_affected", "SUM_ROWS_AFFECTED", False),
    ("lock_time_ns", "SUM_LOCK_TIME", True),
    ("errors", "SUM_ERRORS", False),
    ("warnings", "SUM_WARNINGS", False),
    ("tmp_tables", "SUM_CREATED_TMP_TABLES", False),
    ("tmp_disk_tables", "SUM_CREATED_TMP_DISK_TABLES", False),
    ("full_scans", "SUM_SELECT_SCAN", False),
    ("no_index_used", "SUM_NO_INDEX_USED", False),
    ("cpu_time_ns", "SUM_CPU_TIME", True),
)

RawRow = tuple[bytes | None, ...]


@dataclass(frozen=True)
class DigestRow:
    """One row: what it belongs to, the beginning of its life (None where the server does not say), and its numbers."""

    schema: str
    digest: str
    since: str | None
    numbers: tuple[int, ...]

    @property
    def key(self) -> str:
        return f"{self.schema}:{self.digest}"


@dataclass(frozen=True)
class DigestColumns:
    """The select list behind schema, digest and FIRST_SEEN, and the meaning of each of its columns in order."""

    select: str
    meanings: tuple[tuple[str, bool], ...]

    @classmethod
    def choose(cls, available: Collection[str]) -> DigestColumns:
        """Pick from the names the table has. Raise KeyError when an indispensable one is missing."""
        for _, column, _ in OWN:
            if column not in available:
                raise KeyError(column)
        chosen = [*OWN, *(item for item in COUNTERS if item[1] in available)]
        return cls(
            select=", ".join(column for _, column, _ in chosen),
            meanings=tuple((wire, is_time) for wire, _, is_time in chosen),
        )

    def parse(self, row: RawRow) -> DigestRow:
        """Read one row of `sql/digest_snapshot.sql`. Numbers are still the server's own, times in picoseconds."""
        schema, digest, since, *values = row
        life = text_of(since)
        return DigestRow(
            schema=text_of(schema),
            digest=text_of(digest),
            since=None if life.startswith("0000") or not life else life,
            numbers=tuple(int(value or 0) for value in values),
        )

    def together(self, rows: Iterable[DigestRow]) -> DigestRow:
        """Rows that share a key as one: sums, the least minimum, the greatest maximum, the earliest life."""
        found = list(rows)
        first = found[0]
        folds = {"min_time_ns": min, "max_time_ns": max}
        numbers = [
            folds.get(wire, sum)(values)
            for (wire, _), values in zip(self.meanings, zip(*(row.numbers for row in found), strict=True), strict=True)
        ]
        lives = [row.since for row in found if row.since is not None]
        return DigestRow(first.schema, first.digest, min(lives, default=None), tuple(numbers))

    def member(self, row: DigestRow) -> dict[str, Any]:
        """One member of `queries`, times in nanoseconds."""
        numbers = {
            wire: min(number // PICOSECONDS_PER_NANOSECOND if is_time else number, MAX_INT)
            for (wire, is_time), number in zip(self.meanings, row.numbers, strict=True)
        }
        own = tuple(wire for wire, _, _ in OWN)
        return {
            "key": row.key,
            "digest": row.digest,
            "database": row.schema,
            "user": "",
            "since": row.since,
            **{name: numbers[name] for name in own},
            "counters": {name: value for name, value in numbers.items() if name not in own},
        }


def text_of(column: bytes | None) -> str:
    """Text from the server's bytes; what no database of the backend stores becomes a replacement mark."""
    return "" if column is None else column.decode("utf-8", "replace").replace("\0", "\ufffd")
