"""The tables that grow: partitions made ahead and dropped on PostgreSQL, old rows deleted in chunks on SQLite."""

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Min
from django.db.models.functions import Now
from django.utils import timezone

from collectors.domain import limits, periods
from collectors.models import DirtyDay, DirtyHour, DirtyWeek, ReceivedUpload
from collectors.services import completeness, logins, plans, retention

_logger = logging.getLogger(__name__)
_CHUNK: Final = 5_000
# One number for everything that changes partitions: two workers that do so at once wait for each other.
_LOCK: Final = 0x64627077


@dataclass(frozen=True)
class Table:
    """A table that is cut by time: how wide its partitions are, and for how many days rows stay.

    They stay for the longest retention of any organization, `member`, and no longer than `most` days. What has yet to be
    rolled up from it, by its `marks`, stays as well. A row goes when the last of the time that it tells of does, `width`.
    """

    name: str
    days: int
    member: str
    most: int = limits.MAX_RETENTION_DAYS
    marks: type[DirtyHour | DirtyDay | DirtyWeek] | None = None
    width: timedelta = periods.DAY
    # Whether rows hang on a database, and go with it.
    of_database: bool = True

    @property
    def retention_days(self) -> int:
        """For how many days rows stay now."""
        return min(self.most, retention.longest(self.member))

    def oldest(self, now: datetime) -> datetime:
        """Return the time before which rows are removed: a day after nothing was written or rolled up there any more."""
        oldest = retention.start_of(self.retention_days + 1, now)
        marked = self.marks.objects.aggregate(first=Min("started_at"))["first"] if self.marks else None
        return periods.floor(oldest if marked is None else min(oldest, marked), self.width)


_HISTORY: Final = "history_retention_days"
_BUCKETS: Final = (_HISTORY, limits.BUCKET_RETENTION_DAYS, DirtyHour)
_HOURS: Final = (_HISTORY, limits.HOUR_RETENTION_DAYS, DirtyDay)

TABLES: Final = (
    Table("query_buckets", 7, *_BUCKETS),
    Table("slow_queries", 1, "slow_query_retention_days"),
    Table("query_hours", 28, *_HOURS),
    Table("query_days", 91, _HISTORY, marks=DirtyWeek),
    # Whole weeks, as the partitions of days are: a week and its days go together.
    Table("query_weeks", 91, _HISTORY, width=periods.WEEK),
    Table("database_hours", 28, *_HOURS),
    Table("database_days", 91, _HISTORY, marks=DirtyWeek),
    Table("database_weeks", 91, _HISTORY, width=periods.WEEK),
    Table("query_sketches", 7, *_BUCKETS),
    Table("query_sketch_hours", 28, *_HOURS),
    Table("query_sketch_days", 91, _HISTORY),
    Table("collections", 7, _HISTORY, limits.COLLECTION_RETENTION_DAYS, of_database=False),
)


def maintain() -> None:
    """Make partitions ahead, remove what is past its retention. Repeating it is harmless."""
    for table in TABLES:
        if connection.vendor == "postgresql":
            _maintain_partitions(table, timezone.now())
        else:
            _delete_old_rows(table)
    ReceivedUpload.objects.filter(received_at__lt=Now() - timedelta(days=limits.UPLOAD_MEMORY_DAYS)).delete()
    logins.forget_expired()
    plans.forget_old()
    completeness.forget_old()


def forget_database(*, database_id: int) -> None:
    """Remove all rows of a database, in the transaction that removes the database itself."""
    with connection.cursor() as cursor:
        for table in (table for table in TABLES if table.of_database):
            cursor.execute(f"DELETE FROM {table.name} WHERE database_id = %s", [database_id])  # noqa: S608 - names are ours


def partition_start(table: Table, at: datetime) -> datetime:
    """Return the beginning of the partition that a time falls in; partitions are counted from 1970 on."""
    number = (at - datetime.fromtimestamp(0, UTC)) // timedelta(days=table.days)
    return datetime.fromtimestamp(0, UTC) + number * timedelta(days=table.days)


@transaction.atomic
def _maintain_partitions(table: Table, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [table.name])
        existing = {row[0] for row in cursor.fetchall()}
        width = timedelta(days=table.days)
        oldest = table.oldest(now)
        last = partition_start(table, now) + limits.PARTITIONS_AHEAD * width
        begin = partition_start(table, oldest)
        while begin <= last:
            name = f"{table.name}_{begin:%Y%m%d}"
            if name not in existing:
                _create_partition(table, name, begin, begin + width)
            begin += width
        for name in sorted(existing):
            stamp = re.fullmatch(rf"{table.name}_(\d{{8}})", name)
            if stamp and datetime.strptime(stamp[1], "%Y%m%d").replace(tzinfo=UTC) + width <= oldest:
                cursor.execute(f"DROP TABLE {name}")
                _logger.info("dropped %s", name)
        _empty_default(table, oldest)


def _empty_default(table: Table, oldest: datetime) -> None:
    """Empty the default partition. All that is kept has a partition of its own, so what is left in it is older."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min(started_at), max(started_at) FROM {table.name}_default")  # noqa: S608 - names are ours
        first, last = cursor.fetchone()
        if first is not None and last < oldest:
            cursor.execute(f"TRUNCATE {table.name}_default")
            _logger.info("emptied %s_default", table.name)


def _create_partition(table: Table, name: str, begin: datetime, end: datetime) -> None:
    """Create a partition; rows of its time that the default partition took meanwhile move into it."""
    with connection.cursor() as cursor:
        period = "started_at >= %s AND started_at < %s"
        cursor.execute(f"CREATE TABLE {name} (LIKE {table.name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        cursor.execute(
            f"WITH moved AS (DELETE FROM {table.name}_default WHERE {period} RETURNING *) "  # noqa: S608 - names are ours
            f"INSERT INTO {name} SELECT * FROM moved",
            [begin, end],
        )
        cursor.execute(f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES FROM (%s) TO (%s)", [begin, end])
    _logger.info("made %s", name)


def _delete_old_rows(table: Table) -> None:
    """Delete in chunks, each in its own transaction, so that heartbeats get in between."""
    oldest = connection.ops.adapt_datetimefield_value(table.oldest(timezone.now()))
    deleted = _CHUNK
    while deleted == _CHUNK:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table.name} WHERE rowid IN "  # noqa: S608 - names are ours
                f"(SELECT rowid FROM {table.name} WHERE started_at < %s LIMIT {_CHUNK})",
                [oldest],
            )
            deleted = cursor.rowcount
