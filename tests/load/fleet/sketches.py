"""How long single executions took, as the product keeps it: merged from buckets to hours to days."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any

from collectors.domain import periods
from collectors.domain.sketches import Sketch
from tests.load.fleet.loading import Cursor, copy

_COLUMNS = ("statement_id", "started_at", "organization_id", "database_id", "sketch")
Slot = tuple[int, int, int, int, datetime, int]


def write(cursor: Cursor, slots: Sequence[Slot], *, finest: bool, until: datetime, pattern: tuple[float, ...]) -> int:
    """Write the sketches of slots (statement, organization, database, mean, time, calls), in their order, and what they add up to.

    `finest` slots are buckets, others are hours. Hours and days that have not ended are left out, as the product leaves them.
    """
    rows = 0
    if finest:
        rows += copy(cursor, "query_sketches", _COLUMNS, _merged(slots, periods.BUCKET, pattern))
    for table, width in (("query_sketch_hours", periods.HOUR), ("query_sketch_days", periods.DAY)):
        ended = [slot for slot in slots if slot[4] < periods.floor(until, width)]
        rows += copy(cursor, table, _COLUMNS, _merged(ended, width, pattern))
    return rows


def _merged(slots: Sequence[Slot], width: Any, pattern: tuple[float, ...]) -> Iterator[tuple[Any, ...]]:
    for (statement, at), group in groupby(slots, key=lambda slot: (slot[0], periods.floor(slot[4], width))):
        first, sketch = None, Sketch()
        for first in group:
            for key, count in _bins(first[3], first[5], pattern):
                sketch.bins[key] = sketch.bins.get(key, 0) + count
        assert first is not None
        yield statement, at, first[1], first[2], sketch.packed()


@lru_cache(maxsize=100_000)
def _bins(mean: int, calls: int, pattern: tuple[float, ...]) -> tuple[tuple[int, int], ...]:
    """Return the bins of so many executions that follow the pattern."""
    sketch = Sketch()
    whole, rest = divmod(calls, len(pattern))
    for place, part in enumerate(pattern):
        count = whole + (place < rest)
        if count:
            (key,) = Sketch([round(mean * part)]).bins
            sketch.bins[key] = sketch.bins.get(key, 0) + count
    return tuple(sketch.bins.items())
