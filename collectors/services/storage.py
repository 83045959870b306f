"""The tables that grow: partitions made ahead and dropped on PostgreSQL, old rows deleted in chunks on SQLite."""

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from collectors.domain import limits
from collectors.models import ReceivedUpload
from collectors.services import logins

_logger = logging.getLogger(__name__)
_CHUNK: Final = 5_000
# One number for everything that changes partitions: two workers that do so at once wait for each other.
_LOCK: Final = 0x64627077


@dataclass(frozen=True)
class Table:
    """A table that is cut by time: how wide its partitions are and how long rows stay."""

    name: str
    days: int
    retention_days: int


TABLES: Final = (
    Table("query_buckets", days=7, retention_days=limits.BUCKET_RETENTION_DAYS),
    Table("slow_queries", days=1, retention_days=limits.SLOW_QUERY_RETENTION_DAYS),
    Table("query_hours", days=28, retention_days=limits.HOUR_RETENTION_DAYS),
    Table("query_days", days=91, retention_days=limits.DAY_RETENTION_DAYS),
    Table("query_sketches", days=7, retention_days=limits.BUCKET_RETENTION_DAYS),
    Table("query_sketch_hours", days=28, retention_days=limits.HOUR_RETENTION_DAYS),
    Table("query_sketch_days", days=91, retention_days=limits.DAY_RETENTION_DAYS),
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


def forget_database(*, database_id: int) -> None:
    """Remove all rows of a database, in the transaction that removes the database itself."""
    with connection.cursor() as cursor:
        for table in TABLES:
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
        start = partition_start(table, now)
        for ahead in range(limits.PARTITIONS_AHEAD + 1):
            begin = start + ahead * width
            name = f"{table.name}_{begin:%Y%m%d}"
            if name not in existing:
                _create_partition(table, name, begin, begin + width)
        oldest = now - timedelta(days=table.retention_days)
        # What was older than the first partition when it came lies in the default one, which is never dropped.
        cursor.execute(f"DELETE FROM {table.name}_default WHERE started_at < %s", [oldest])  # noqa: S608 - names are ours
        for name in sorted(existing):
            stamp = re.fullmatch(rf"{table.name}_(\d{{8}})", name)
            if stamp and datetime.strptime(stamp[1], "%Y%m%d").replace(tzinfo=UTC) + width < oldest:
                cursor.execute(f"DROP TABLE {name}")
                _logger.info("dropped %s", name)


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
    oldest = connection.ops.adapt_datetimefield_value(timezone.now() - timedelta(days=table.retention_days))
    deleted = _CHUNK
    while deleted == _CHUNK:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table.name} WHERE rowid IN "  # noqa: S608 - names are ours
                f"(SELECT rowid FROM {table.name} WHERE started_at < %s LIMIT {_CHUNK})",
                [oldest],
            )
            deleted = cursor.rowcount
