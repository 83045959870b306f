"""Buckets rolled up to hours, hours to days and days to weeks: each slot wholly anew whenever something in it changed.

Who changes a bucket marks its hour in the same transaction; who rolls the hour up takes the mark away first, and only then
reads. Both need the mark's row, so that one waits for the other: either the roll-up reads the change, or the mark that the
change leaves behind outlives the roll-up. That holds only because marking updates a mark that is there already (a mark
left alone would not be locked). Days are marked by the roll-up of their hours, and weeks by that of their days, in the same way.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from collectors.domain import limits, periods
from collectors.domain.counters import COUNTERS
from collectors.domain.sources import Source
from collectors.models import DirtyDay, DirtyHour, DirtyWeek, MonitoredDatabase
from collectors.services import latencies

_logger = logging.getLogger(__name__)
_SUMS: Final = ("calls", "total_time_ns", "rows", *COUNTERS)


@dataclass(frozen=True)
class Level:
    """One step from finer to coarser slots: the tables on both sides, and the marks of what is to be done."""

    width: timedelta
    marks: type[DirtyHour | DirtyDay | DirtyWeek]
    costs: tuple[str, str]
    # What is rolled up of whole databases beside it.
    totals: str
    # Latencies of few statements are asked for at once: weeks of them would save little.
    sketches: tuple[str, str] | None


HOURS: Final = Level(
    periods.HOUR,
    DirtyHour,
    ("query_buckets", "query_hours"),
    "database_hours",
    ("query_sketches", "query_sketch_hours"),
)
DAYS: Final = Level(
    periods.DAY,
    DirtyDay,
    ("query_hours", "query_days"),
    "database_days",
    ("query_sketch_hours", "query_sketch_days"),
)
WEEKS: Final = Level(periods.WEEK, DirtyWeek, ("query_days", "query_weeks"), "database_weeks", None)
# Finest first: each is made of the one before it.
LEVELS: Final = (HOURS, DAYS, WEEKS)


def mark(*, database: MonitoredDatabase, level: Level, changed: Iterable[datetime]) -> None:
    """Mark the slots in which something changed at the times of `changed`, in the transaction that changes it."""
    starts = sorted({periods.floor(at, level.width) for at in changed})
    if not starts:
        return
    adapt = connection.ops.adapt_datetimefield_value
    rows = [(database.organization_id, database.pk, adapt(start), 1) for start in starts]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {level.marks._meta.db_table} AS t (organization_id, database_id, started_at, version) "  # noqa: S608
            f"VALUES {', '.join(['(%s, %s, %s, %s)'] * len(rows))} "
            "ON CONFLICT (database_id, started_at) DO UPDATE SET version = t.version + 1",
            [value for row in rows for value in row],
        )


def roll_up() -> int:
    """Roll up every hour, day and week that has ended and changed since; return how many. Repeating it is harmless.

    A slot that fails is left as it is, marked, and does not keep the others from being done.
    """
    done = 0
    for level in LEVELS:
        ended = level.marks.objects.filter(started_at__lte=timezone.now() - level.width).order_by("started_at", "pk")
        for database_id, start in ended.values_list("database_id", "started_at"):
            try:
                done += _roll_up(level, database_id, start)
            except DatabaseError:
                _logger.exception("database %s: %s of %s not rolled up", database_id, level.costs[1], start)
    return done


@transaction.atomic
def _roll_up(level: Level, database_id: int, start: datetime) -> bool:
    """Replace one slot by the sums of the finer ones in it. False when it was done by another, or cannot be done yet."""
    # First of all, and before anything is read: see above.
    taken, _ = level.marks.objects.filter(database_id=database_id, started_at=start).delete()
    database = MonitoredDatabase.objects.filter(pk=database_id).first()
    if not taken or database is None:
        return False
    end, place = start + level.width, LEVELS.index(level)
    if any(
        finer.marks.objects.filter(database=database, started_at__gte=start, started_at__lt=end).exists()
        for finer in LEVELS[:place]
    ):
        transaction.set_rollback(True)
        return False
    _replace(level, database, start, end)
    _add_up(level, database, start)
    if level.sketches is not None:
        latencies.replace(database=database, source=level.sketches[0], target=level.sketches[1], start=start, end=end)
    for coarser in LEVELS[place + 1 : place + 2]:
        mark(database=database, level=coarser, changed=[start])
    return True


def _sum(name: str) -> str:
    """Return the SQL of a sum. One that no column can hold, which only invented numbers make, must not stop everybody's roll-up."""
    if connection.vendor == "postgresql":
        return f"CASE WHEN SUM({name}) > {limits.MAX_COUNTER} THEN {limits.MAX_COUNTER} ELSE SUM({name}) END"
    # SQLite refuses a sum of that size, of which the halves are far from it.
    high, low = f"SUM({name} >> 32)", f"SUM({name} & {2**32 - 1})"
    return f"CASE WHEN {high} + ({low} >> 32) >= {2**31} THEN {limits.MAX_COUNTER} ELSE ({high} << 32) + {low} END"


def _replace(level: Level, database: MonitoredDatabase, start: datetime, end: datetime) -> None:
    source, target = level.costs
    adapt = connection.ops.adapt_datetimefield_value
    sums = ", ".join(_sum(name) for name in _SUMS)
    # A call counts in one source (`services.queries.counted_once`), also where the change comes in the middle of a slot.
    counted, since = "", []
    if database.digests_since is not None:
        counted = (
            "AND (started_at < %s OR statement_id NOT IN "
            "(SELECT id FROM statements WHERE database_id = %s AND source = %s))"
        )
        since = [adapt(database.digests_since), database.pk, Source.SLOW_LOG]
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {target} WHERE database_id = %s AND started_at = %s",  # noqa: S608 - names are ours
            [database.pk, adapt(start)],
        )
        cursor.execute(
            f"INSERT INTO {target} (statement_id, started_at, organization_id, database_id, {', '.join(_SUMS)}, "  # noqa: S608
            "min_time_ns, max_time_ns) "
            f"SELECT statement_id, %s, organization_id, database_id, {sums}, MIN(min_time_ns), MAX(max_time_ns) "
            f"FROM {source} WHERE database_id = %s AND started_at >= %s AND started_at < %s {counted} "
            "GROUP BY statement_id, organization_id, database_id",
            [adapt(start), database.pk, adapt(start), adapt(end), *since],
        )


def _add_up(level: Level, database: MonitoredDatabase, start: datetime) -> None:
    """Replace what all statements of the database cost in the slot, from what was rolled up of them."""
    slot = [database.pk, connection.ops.adapt_datetimefield_value(start)]
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {level.totals} WHERE database_id = %s AND started_at = %s", slot)  # noqa: S608 - names are ours
        cursor.execute(
            f"INSERT INTO {level.totals} (database_id, started_at, organization_id, calls, total_time_ns) "  # noqa: S608 - names are ours
            f"SELECT database_id, started_at, organization_id, {_sum('calls')}, {_sum('total_time_ns')} "
            f"FROM {level.costs[1]} WHERE database_id = %s AND started_at = %s "
            "GROUP BY database_id, started_at, organization_id",
            slot,
        )
