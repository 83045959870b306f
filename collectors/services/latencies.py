"""How long executions took: sketches written beside the buckets."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from django.db import connection

from collectors.domain.sketches import Sketch
from collectors.models import Latency, MonitoredDatabase
from collectors.models.buckets import Resolution

# SQLite takes few thousand parameters in one statement.
_CHUNK: Final = 200
_COLUMNS: Final = "statement_id, started_at, organization_id, database_id, sketch"

Key = tuple[int, datetime]


def add(*, database: MonitoredDatabase, sketches: Mapping[Key, Sketch]) -> None:
    """Merge sketches into those of their buckets. Only after these were written, in the same transaction.

    The lock that writing a bucket took guards its sketch too: whoever else wants to add to one waits there, and locks are
    taken in the order of keys. So what is read here stays until it was written.
    """
    for keys in _chunks(sorted(sketches)):
        merged = {key: Sketch.unpacked(content) for key, content in _stored(keys)}
        for key in keys:
            merged.setdefault(key, Sketch()).merge(sketches[key])
        _insert("query_sketches", database.organization_id, database.pk, merged)


def replace(*, database: MonitoredDatabase, source: str, target: str, start: datetime, end: datetime) -> None:
    """Put the merged sketches of a slot, read from the finer table, in the place of those that the coarser one has."""
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT statement_id, sketch FROM {source} "  # noqa: S608 - names are ours
            "WHERE database_id = %s AND started_at >= %s AND started_at < %s ORDER BY statement_id",
            [database.pk, adapt(start), adapt(end)],
        )
        rows = cursor.fetchall()
        cursor.execute(
            f"DELETE FROM {target} WHERE database_id = %s AND started_at = %s",  # noqa: S608 - names are ours
            [database.pk, adapt(start)],
        )
    merged = {
        (statement_id, start): merge(content for _, content in group)
        for statement_id, group in groupby(rows, key=lambda row: int(row[0]))
    }
    for keys in _chunks(list(merged)):
        _insert(target, database.organization_id, database.pk, {key: merged[key] for key in keys})


def merge(contents: "Iterable[bytes | memoryview[int]]") -> Sketch:
    """Return one sketch of all that are packed in `contents`."""
    whole = Sketch()
    for content in contents:
        whole.merge(Sketch.unpacked(bytes(content)))
    return whole


def _stored(keys: Sequence[Key]) -> list[tuple[Key, bytes]]:
    wanted = set(keys)
    rows = Latency.objects.filter(
        resolution=Resolution.BUCKET,
        statement_id__in={statement_id for statement_id, _ in keys},
        started_at__in={start for _, start in keys},
    ).values_list("statement_id", "started_at", "sketch")
    return [
        ((statement_id, start), bytes(sketch))
        for statement_id, start, sketch in rows
        if (statement_id, start) in wanted
    ]


def _insert(table: str, organization_id: int, database_id: int, sketches: Mapping[Key, Sketch]) -> None:
    adapt = connection.ops.adapt_datetimefield_value
    values: list[Any] = []
    for (statement_id, start), sketch in sketches.items():
        values += [statement_id, adapt(start), organization_id, database_id, sketch.packed()]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({_COLUMNS}) VALUES {', '.join(['(%s, %s, %s, %s, %s)'] * len(sketches))} "  # noqa: S608
            "ON CONFLICT (statement_id, started_at) DO UPDATE SET sketch = excluded.sketch",
            values,
        )


def _chunks(keys: Sequence[Key]) -> Iterable[Sequence[Key]]:
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]
