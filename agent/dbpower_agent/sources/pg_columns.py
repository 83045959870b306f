"""Which columns `pg_stat_statements` has on this server, and how they become the wire's counters.

Columns are asked for by name and never derived from a version: the extension may be older than the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_INT: Final = 2**63 - 1
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

# Wire name -> column names, the newest first; all that exist of one tuple of alternatives are added up.
COUNTS: Final[dict[str, tuple[str, ...]]] = {
    name: (name,)
    for name in (
        "shared_blks_hit",
        "shared_blks_read",
        "shared_blks_dirtied",
        "shared_blks_written",
        "local_blks_hit",
        "local_blks_read",
        "temp_blks_read",
        "temp_blks_written",
        "wal_records",
        "wal_fpi",
        "wal_bytes",
    )
}
# In milliseconds on the server. Version 17 split the time for blocks into shared and local ones.
TIMES: Final[dict[str, tuple[str, ...]]] = {
    "blk_read_time_ns": ("blk_read_time", "shared_blk_read_time", "local_blk_read_time"),
    "blk_write_time_ns": ("blk_write_time", "shared_blk_write_time", "local_blk_write_time"),
}
EXECUTION_TIMES: Final = (
    ("total_time_ns", "total_exec_time", "total_time"),
    ("min_time_ns", "min_exec_time", "min_time"),
    ("max_time_ns", "max_exec_time", "max_time"),
)


@dataclass(frozen=True)
class Columns:
    """The select list and the meaning of each of its columns, in order: wire name, and whether it is a time."""

    select: str
    toplevel: str
    since: str
    meanings: tuple[tuple[str, bool], ...]

    @classmethod
    def choose(cls, available: Sequence[str]) -> Columns:
        """Pick from the names the extension's function returns. Raise KeyError when an indispensable one is missing."""
        names = set(available)
        chosen: list[tuple[str, str, bool]] = [("calls", "s.calls", False), ("rows", "s.rows", False)]
        if not {"calls", "rows"} <= names:
            raise KeyError("calls, rows")
        for wire, *candidates in EXECUTION_TIMES:
            column = next((name for name in candidates if name in names), None)
            if column is None:
                raise KeyError(wire)
            chosen.append((wire, f"s.{column}", True))
        for group, is_time in ((COUNTS, False), (TIMES, True)):
            for wire, candidates_of in group.items():
                found = [f"s.{name}" for name in candidates_of if name in names]
                if found:
                    chosen.append((wire, " + ".join(found), is_time))
        return cls(
            # float8 keeps all digits the server counts with; numeric (WAL bytes) comes as text and becomes an integer.
            select=",\n       ".join(f"({sql})::{'float8' if time else 'text'}" for _, sql, time in chosen),
            toplevel="s.toplevel" if "toplevel" in names else "true",
            since="s.stats_since::text" if "stats_since" in names else "NULL::text",
            meanings=tuple((wire, time) for wire, _, time in chosen),
        )

    def member(self, row: Sequence[Any]) -> dict[str, Any]:
        """One member of `queries` from one row of `sql/pg_snapshot.sql`."""
        userid, dbid, queryid, toplevel, database, user, since, *values = row
        numbers = {
            wire: nanoseconds(value) if time else count(value)
            for (wire, time), value in zip(self.meanings, values, strict=True)
        }
        own = ("calls", "rows", "total_time_ns", "min_time_ns", "max_time_ns")
        return {
            "key": f"{userid}:{dbid}:{queryid}:{'t' if toplevel else 'f'}",
            "digest": queryid,
            "database": database or "",
            "user": user or "",
            "since": since,
            **{name: numbers[name] for name in own},
            "counters": {name: value for name, value in numbers.items() if name not in own},
        }


def nanoseconds(milliseconds: float | None) -> int:
    """Integer nanoseconds from the server's double; what is no number or negative counts as 0."""
    if milliseconds is None or not 0 <= milliseconds < MAX_INT / NANOSECONDS_PER_MILLISECOND:
        return 0
    return round(milliseconds * NANOSECONDS_PER_MILLISECOND)


def count(text: str | None) -> int:
    return min(max(int(text or 0), 0), MAX_INT)
