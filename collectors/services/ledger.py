"""The one place that writes numbers: statements, their texts, and what they cost by time slot."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from django.db import connection

from collectors.domain import periods
from collectors.domain.counters import COUNTERS, Delta
from collectors.domain.sketches import Sketch
from collectors.domain.sources import Source
from collectors.models import Fingerprint, MonitoredDatabase, Statement
from collectors.models.statements import TextState
from collectors.services import latencies, retention, rollups

Item = TypeVar("Item")

_CHUNK: Final = 200
_EXTREMES: Final = {"min_time_ns": "<", "max_time_ns": ">"}
_SUMS: Final = ("calls", "total_time_ns", "rows", *COUNTERS)
_COLUMNS: Final = ("statement_id", "started_at", "organization_id", "database_id", *_SUMS, *_EXTREMES)
_NO_COUNTERS: Final = dict.fromkeys(COUNTERS)


@dataclass(frozen=True)
class StatementFacts:
    """What is known of a statement when it is first seen. `fingerprint` is None while its text has yet to come."""

    digest: str = ""
    schema_name: str = ""
    user_name: str = ""
    fingerprint: int | None = None


@dataclass
class BucketAdditions:
    """What an upload adds to each bucket; additions to the same one are summed before they are written.

    What began before `oldest` is past its retention and left out; `expired` counts its calls.
    """

    database: MonitoredDatabase
    oldest: datetime = field(init=False)
    expired: int = field(default=0, init=False)
    _rows: dict[tuple[int, datetime], dict[str, int | None]] = field(default_factory=dict)
    _sketches: dict[tuple[int, datetime], Sketch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.oldest = retention.oldest_written(self.database.organization)

    def add(self, statement_id: int, at: datetime, delta: Delta) -> bool:
        """Add a statement's executions to the bucket that `at` falls in; False when that is past its retention."""
        if at < self.oldest:
            self.expired += delta.calls
            return False
        row = self._rows.setdefault((statement_id, bucket_start(at)), dict(_NO_COUNTERS))
        for name in ("calls", "total_time_ns", "rows"):
            row[name] = (row.get(name) or 0) + int(getattr(delta, name))
        for name, value in delta.counters.items():
            row[name] = (row[name] or 0) + value
        row["min_time_ns"] = _extreme(min, row.get("min_time_ns"), delta.min_time_ns)
        row["max_time_ns"] = _extreme(max, row.get("max_time_ns"), delta.max_time_ns)
        return True

    def add_execution(self, statement_id: int, at: datetime, delta: Delta) -> None:
        """Add one execution, whose time is known by itself, to the bucket and its sketch."""
        if self.add(statement_id, at, delta):
            self._sketches.setdefault((statement_id, bucket_start(at)), Sketch()).add(delta.total_time_ns)

    def write(self) -> None:
        """Write all additions, in the order of their keys so that two writers never wait for each other in a circle.

        Buckets, then their sketches, then the marks of their hours: all writers take these locks in the same order.
        """
        adapt = connection.ops.adapt_datetimefield_value
        rows = [
            [
                *(statement_id, adapt(start), self.database.organization_id, self.database.pk),
                *(row[name] for name in (*_SUMS, *_EXTREMES)),
            ]
            for (statement_id, start), row in sorted(self._rows.items(), key=lambda item: item[0])
        ]
        with connection.cursor() as cursor:
            for chunk in _chunks(rows):
                cursor.execute(_upsert(len(chunk)), [value for row in chunk for value in row])
        latencies.add(database=self.database, sketches=self._sketches)
        rollups.mark(database=self.database, level=rollups.HOURS, changed={start for _, start in self._rows})


def bucket_start(at: datetime) -> datetime:
    """Return the beginning of the five minutes that a time falls in."""
    return periods.floor(at, periods.BUCKET)


def middle(start: datetime, end: datetime) -> datetime:
    """Return the time whose bucket takes the executions between two snapshots."""
    return start + (end - start) / 2 if start < end else end


def statement_ids(database: MonitoredDatabase, source: Source, wanted: Mapping[str, StatementFacts]) -> dict[str, int]:
    """Return the id of each statement by its natural key; those that are new are stored first."""
    ids = _known_ids(database, source, wanted)
    missing = [key for key in wanted if key not in ids]
    if missing:
        Statement.objects.bulk_create(
            (_new_statement(database, source, key, wanted[key]) for key in sorted(missing)),
            batch_size=_CHUNK,
            ignore_conflicts=True,
        )
        ids.update(_known_ids(database, source, missing))
    return ids


def ask_again(database: MonitoredDatabase, source: Source, keys: Sequence[str]) -> None:
    """Let the texts of these statements be asked for again, of those that had gone before their texts came."""
    for chunk in _chunks(keys):
        gone = Statement.objects.filter(
            database=database, source=source, key__in=chunk, text_state=TextState.UNAVAILABLE
        )
        gone.update(text_state=TextState.WANTED)


def fingerprint_pks(organization_id: int, texts: Mapping[str, str]) -> dict[str, int]:
    """Return the row of each fingerprint by its id; those that are new are stored first."""
    Fingerprint.objects.bulk_create(
        (
            Fingerprint(organization_id=organization_id, fingerprint_id=fingerprint_id, text=text)
            for fingerprint_id, text in sorted(texts.items())
        ),
        batch_size=_CHUNK,
        ignore_conflicts=True,
    )
    known: dict[str, int] = {}
    for chunk in _chunks(list(texts)):
        rows = Fingerprint.objects.filter(organization_id=organization_id, fingerprint_id__in=chunk)
        known.update(rows.values_list("fingerprint_id", "pk"))
    return known


def _new_statement(database: MonitoredDatabase, source: Source, key: str, facts: StatementFacts) -> Statement:
    return Statement(
        organization_id=database.organization_id,
        database=database,
        source=source,
        key=key,
        digest=facts.digest,
        schema_name=facts.schema_name,
        user_name=facts.user_name,
        fingerprint_id=facts.fingerprint,
        text_state=TextState.WANTED if facts.fingerprint is None else TextState.KNOWN,
    )


def _known_ids(database: MonitoredDatabase, source: Source, keys: Iterable[str]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for chunk in _chunks(list(keys)):
        rows = Statement.objects.filter(database=database, source=source, key__in=chunk)
        ids.update(rows.values_list("key", "pk"))
    return ids


def _upsert(rows: int) -> str:
    row = f"({', '.join(['%s'] * len(_COLUMNS))})"
    # A counter that an engine does not have stays null; one that it has begins at zero.
    sums = (
        f"{name} = CASE WHEN excluded.{name} IS NULL THEN t.{name} ELSE COALESCE(t.{name}, 0) + excluded.{name} END"
        for name in _SUMS
    )
    extremes = (
        f"{name} = CASE WHEN t.{name} IS NULL OR excluded.{name} {sign} t.{name} THEN excluded.{name} ELSE t.{name} END"
        for name, sign in _EXTREMES.items()
    )
    return (
        f"INSERT INTO query_buckets AS t ({', '.join(_COLUMNS)}) VALUES {', '.join([row] * rows)} "  # noqa: S608 - names are ours
        f"ON CONFLICT (statement_id, started_at) DO UPDATE SET {', '.join([*sums, *extremes])}"
    )


def _extreme(choose: Callable[[list[int]], int], *values: int | None) -> int | None:
    present = [value for value in values if value is not None]
    return choose(present) if present else None


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
