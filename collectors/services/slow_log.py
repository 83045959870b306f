"""Rows of slow logs: taken by position under the cursor's lock, never by time."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from collectors.domain import cursors, limits
from collectors.domain.counters import Delta
from collectors.domain.cursors import Cursor, CursorMismatch
from collectors.domain.sources import Source
from collectors.domain.statements import fingerprint_id
from collectors.domain.uploads import BareUpload, SlowLogUpload, SlowQuery
from collectors.models import Collector, LogCursor, MonitoredDatabase, ReceivedUpload
from collectors.models import SlowQuery as SlowQueryRow
from collectors.models.completeness import GapKind
from collectors.services import completeness, ledger, retention
from collectors.services.errors import Conflict


@dataclass(frozen=True)
class TakenRows:
    """How many rows were new and how many had been taken before."""

    accepted: int
    duplicates: int
    cursor: dict[str, Any] | None = None


def take_rows(*, collector: Collector, upload: SlowLogUpload, read_at: datetime) -> TakenRows:
    """Store the rows above the cursor and move it, in one transaction. Without rows, only tell the cursor.

    Raises `Conflict` with the cursor when rows between it and the upload are neither sent nor declared lost.
    """
    if upload.generation is None or not (upload.queries or upload.lost_rows):
        return TakenRows(0, 0, _stored_cursor(collector.database_id, upload.generation))
    try:
        return _advance(collector.database, upload, upload.generation, read_at)
    except CursorMismatch as mismatch:
        raise Conflict(
            f"The next row to take is at position {mismatch.cursor.position}.",
            code="cursor_mismatch",
            state={"cursor": _as_dict(mismatch.cursor)},
        ) from mismatch


def take_bare(*, collector: Collector, upload: BareUpload, received_at: datetime) -> TakenRows:
    """Store slow queries that carry no cursor. The same upload again, by its id or its content, adds nothing."""
    name = upload.upload_id if upload.upload_id is not None else repr(upload.queries)
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
    try:
        with transaction.atomic():
            ReceivedUpload.objects.create(organization_id=collector.organization_id, collector=collector, digest=digest)
            _store(collector.database, upload.queries, received_at, generation=None, position=None)
    except IntegrityError:
        if ReceivedUpload.objects.filter(collector=collector, digest=digest).exists():
            return TakenRows(0, len(upload.queries))
        raise
    return TakenRows(len(upload.queries), 0)


@transaction.atomic
def _advance(database: MonitoredDatabase, upload: SlowLogUpload, generation: str, read_at: datetime) -> TakenRows:
    LogCursor.objects.get_or_create(
        database=database, generation=generation, defaults={"organization_id": database.organization_id}
    )
    row = LogCursor.objects.select_for_update().get(database=database, generation=generation)
    cursor = Cursor(generation, row.position, row.row_hash)
    skip = cursors.rows_to_skip(cursor, position=upload.position, rows=len(upload.queries), lost_rows=upload.lost_rows)
    end = upload.position + len(upload.queries)
    if end <= cursor.position:
        return TakenRows(0, skip, _as_dict(cursor))
    fresh = upload.queries[skip:]
    _store(database, fresh, read_at, generation=generation, position=upload.position + skip)
    _record_gaps(database, upload, cursor, read_at)
    LogCursor.objects.filter(pk=row.pk).update(position=end, row_hash=upload.row_hash, moved_at=Now())
    return TakenRows(len(fresh), skip, _as_dict(Cursor(generation, end, upload.row_hash)))


def _record_gaps(database: MonitoredDatabase, upload: SlowLogUpload, cursor: Cursor, read_at: datetime) -> None:
    start = read_at - timedelta(seconds=upload.envelope.interval_seconds or 0)
    lost = cursors.lost_between(cursor, position=upload.position)
    if lost:
        completeness.record_gap(
            database=database, source=Source.SLOW_LOG, kind=GapKind.LOST_ROWS, amount=lost, start=start, end=read_at
        )
    completeness.record_reported(
        database=database,
        source=Source.SLOW_LOG,
        completeness=upload.envelope.completeness,
        start=start,
        end=read_at,
    )


def _store(
    database: MonitoredDatabase,
    queries: list[SlowQuery],
    read_at: datetime,
    *,
    generation: str | None,
    position: int | None,
) -> None:
    """Write executions and what they add to the buckets. What is older than the retention is counted, not stored."""
    timed = [(index, query, _started_at(query, read_at)) for index, query in enumerate(queries)]
    additions = ledger.BucketAdditions(database)
    oldest = retention.oldest_slow_query(database.organization)
    first = min(additions.oldest, oldest)
    ids = _statement_ids(database, [query for _, query, at in timed if at >= first])
    rows = []
    for index, query, at in timed:
        statement_id = ids.get(_statement_key(query), 0)
        additions.add_execution(statement_id, at, _as_delta(query))
        if at >= oldest:
            where = None if position is None else position + index
            rows.append(_as_row(database, statement_id, query, at, generation, where))
    SlowQueryRow.objects.bulk_create(rows, batch_size=500)
    additions.write()
    completeness.record_expired(
        database=database,
        source=Source.SLOW_LOG,
        additions=additions,
        start=min((at for *_, at in timed), default=read_at),
    )


def _statement_ids(database: MonitoredDatabase, queries: list[SlowQuery]) -> dict[str, int]:
    texts = {_fingerprint_id(query): query.fingerprint for query in queries}
    pks = ledger.fingerprint_pks(database.organization_id, texts) if texts else {}
    wanted = {
        _statement_key(query): ledger.StatementFacts(
            digest=_fingerprint_id(query), schema_name=query.database, fingerprint=pks[_fingerprint_id(query)]
        )
        for query in queries
    }
    return ledger.statement_ids(database, Source.SLOW_LOG, wanted)


def _fingerprint_id(query: SlowQuery) -> str:
    return query.fingerprint_id or fingerprint_id(query.fingerprint)


def _statement_key(query: SlowQuery) -> str:
    return f"{query.database}:{_fingerprint_id(query)}"


def _started_at(query: SlowQuery, read_at: datetime) -> datetime:
    """Return when the statement began; never later than the read nor ages before, whatever a clock or a script says."""
    if query.started_at is not None:
        earliest = read_at - timedelta(seconds=limits.MAX_AGE_SECONDS)
        return max(earliest, min(query.started_at, read_at))
    return read_at - timedelta(seconds=query.age_seconds or 0)


def _as_delta(query: SlowQuery) -> Delta:
    return Delta(
        calls=1,
        total_time_ns=query.query_time_ns,
        rows=query.rows_sent,
        min_time_ns=query.query_time_ns,
        max_time_ns=query.query_time_ns,
        counters={
            "rows_examined": query.rows_examined,
            "rows_affected": query.rows_affected,
            "lock_time_ns": query.lock_time_ns,
        },
    )


def _as_row(
    database: MonitoredDatabase,
    statement_id: int,
    query: SlowQuery,
    at: datetime,
    generation: str | None,
    position: int | None,
) -> SlowQueryRow:
    return SlowQueryRow(
        organization_id=database.organization_id,
        database=database,
        statement_id=statement_id,
        started_at=at,
        time_approximate=query.time_approximate or (query.age_seconds is None and query.started_at is None),
        query_time_ns=query.query_time_ns,
        lock_time_ns=query.lock_time_ns,
        rows_sent=query.rows_sent,
        rows_examined=query.rows_examined,
        rows_affected=query.rows_affected,
        user_name=query.user,
        host=query.host,
        generation=generation,
        position=position,
    )


def _stored_cursor(database_id: int, generation: str | None) -> dict[str, Any] | None:
    cursors_of = LogCursor.objects.filter(database_id=database_id)
    if generation is not None:
        row = cursors_of.filter(generation=generation).first()
        return _as_dict(Cursor(generation, row.position, row.row_hash) if row else Cursor(generation))
    row = cursors_of.order_by("-moved_at", "-pk").first()
    return _as_dict(Cursor(row.generation, row.position, row.row_hash)) if row else None


def _as_dict(cursor: Cursor) -> dict[str, Any]:
    return {"generation": cursor.generation, "position": cursor.position, "row_hash": cursor.row_hash}
