"""From absolute counters to what was added: the arithmetic behind "every call is counted once".

A cumulative source is read as complete snapshots. `deltas` compares one with the last that was applied. The rules and the
measurements behind them: docs/guarantees.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

# Optional counters, in the order in which buckets store them. Times are nanoseconds.
COUNTERS: Final = (
    "rows_examined",
    "rows_affected",
    "lock_time_ns",
    "errors",
    "warnings",
    "shared_blks_hit",
    "shared_blks_read",
    "shared_blks_dirtied",
    "shared_blks_written",
    "local_blks_hit",
    "local_blks_read",
    "temp_blks_read",
    "temp_blks_written",
    "blk_read_time_ns",
    "blk_write_time_ns",
    "wal_records",
    "wal_fpi",
    "wal_bytes",
    "tmp_tables",
    "tmp_disk_tables",
    "full_scans",
    "no_index_used",
    "cpu_time_ns",
)


@dataclass(frozen=True)
class Absolute:
    """The counters of one row of a source since the row's life began (`since`, None where the server does not say)."""

    calls: int
    total_time_ns: int
    rows: int
    min_time_ns: int | None = None
    max_time_ns: int | None = None
    since: str | None = None
    counters: Mapping[str, int] = field(default_factory=dict)

    def packed(self) -> list[object]:
        """Return the members as a list for storage; `unpacked` reverses it."""
        return [
            self.calls,
            self.total_time_ns,
            self.rows,
            self.min_time_ns,
            self.max_time_ns,
            self.since,
            dict(self.counters),
        ]

    @classmethod
    def unpacked(cls, members: list[object]) -> Self:
        """Return what `packed` was called on."""
        return cls(*members)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Delta:
    """What one row's executions added between two snapshots. Extremes are None when they did not move in between."""

    calls: int
    total_time_ns: int
    rows: int
    min_time_ns: int | None
    max_time_ns: int | None
    counters: Mapping[str, int]


_ZERO: Final = Absolute(calls=0, total_time_ns=0, rows=0)


def deltas(previous: Mapping[str, Absolute], current: Mapping[str, Absolute]) -> Iterator[tuple[str, Delta]]:
    """Yield key and delta of each row that grew. Both snapshots are complete and of the same generation.

    A key that `previous` does not have is a row that came into being in between, so it counts from zero; the same holds
    for an evicted row that returned, since its absence removed it from `previous`.
    """
    for key, now in current.items():
        delta = _delta(previous.get(key, _ZERO), now)
        if delta is not None:
            yield key, delta


def lives_ended(previous: Mapping[str, Absolute], current: Mapping[str, Absolute]) -> int:
    """Return of how many rows the source threw the counters away: they are gone, or began anew."""
    return sum(key not in current or is_new_life(before, current[key]) for key, before in previous.items())


def merged(previous: Absolute | None, current: Absolute) -> Absolute:
    """Return the baseline after `current`: within one life counters never fall, so the larger of two readings stays."""
    if previous is None or is_new_life(previous, current):
        return current
    return Absolute(
        calls=max(previous.calls, current.calls),
        total_time_ns=max(previous.total_time_ns, current.total_time_ns),
        rows=max(previous.rows, current.rows),
        min_time_ns=current.min_time_ns,
        max_time_ns=current.max_time_ns,
        since=current.since,
        counters={
            **previous.counters,
            **{name: max(value, previous.counters.get(name, 0)) for name, value in current.counters.items()},
        },
    )


def _delta(before: Absolute, now: Absolute) -> Delta | None:
    new_life = before is _ZERO or is_new_life(before, now)
    base = _ZERO if new_life else before
    # A counter that appears in the middle of a life (a newer agent reads it) was counting before anybody looked.
    added = {name: value - base.counters.get(name, 0 if new_life else value) for name, value in now.counters.items()}
    delta = Delta(
        calls=max(0, now.calls - base.calls),
        total_time_ns=max(0, now.total_time_ns - base.total_time_ns),
        rows=max(0, now.rows - base.rows),
        min_time_ns=_moved(None if new_life else before.min_time_ns, now.min_time_ns),
        max_time_ns=_moved(None if new_life else before.max_time_ns, now.max_time_ns),
        counters={name: value for name, value in added.items() if value > 0},
    )
    return delta if delta.calls or delta.total_time_ns or delta.rows or delta.counters else None


def is_new_life(before: Absolute, now: Absolute) -> bool:
    """Tell whether the server threw the row's counters away between two readings."""
    # Known on one side only, it says nothing: an agent that learned to read it must not count a whole life again.
    if before.since is not None and now.since is not None:
        return before.since != now.since
    return (
        now.calls < before.calls
        or now.total_time_ns < before.total_time_ns
        or now.rows < before.rows
        or _fell(before.max_time_ns, now.max_time_ns)
        or _fell(now.min_time_ns, before.min_time_ns)
        or any(now.counters[name] < value for name, value in before.counters.items() if name in now.counters)
    )


def _fell(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and now < before


def _moved(before: int | None, now: int | None) -> int | None:
    """Return the extreme only if it was set in this interval: January's slowest call must not mark every later bucket."""
    return now if now is not None and now != before else None
