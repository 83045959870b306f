"""Snapshots of cumulative sources: compared with the last one under the database's lock, and applied once."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from collectors.domain import counters, generations, limits
from collectors.domain.counters import Absolute
from collectors.domain.generations import Base, Known
from collectors.domain.sources import OVERFLOW_KEY, Source
from collectors.domain.uploads import SnapshotRow, SnapshotUpload, TextsUpload
from collectors.models import Bucket, Collector, Lease, MonitoredDatabase, SnapshotBaseline, SnapshotPart, Statement
from collectors.models.completeness import GapKind
from collectors.models.statements import TextState
from collectors.services import completeness, ledger, ledger_audits, rollups
from collectors.services.errors import Refused


@dataclass(frozen=True)
class Applied:
    """What became of a snapshot: `accepted` counts its rows once it is whole, zero while parts are missing or it is stale.

    `calls` is what it added to the numbers; None of one that added nothing: its counters are the first of theirs.
    """

    accepted: int = 0
    is_whole: bool = False
    calls: int | None = None
    stale: bool = False
    cursor: dict[str, Any] | None = None
    text_wanted: list[str] = field(default_factory=list)


@transaction.atomic
def take_snapshot(*, collector: Collector, upload: SnapshotUpload, taken_at: datetime) -> Applied:
    """Apply a snapshot, or keep a part of it until the others are here. One that is not newer than the last is stale.

    Raises `Refused` when the parts together are not the rows that were announced: nothing changes then.
    """
    # No key: rows that refer to the database, which slow-log uploads write at the same time, need not wait for this.
    database = MonitoredDatabase.objects.select_for_update(no_key=True).get(pk=collector.database_id)
    latest = _latest(database, upload.envelope.source)
    if upload.envelope.epoch < _fence(database):
        return Applied(stale=True, cursor=_cursor(latest))
    if latest is not None and (upload.envelope.epoch, upload.seq) <= (latest.epoch, latest.seq):
        return Applied(stale=True, cursor=_cursor(latest))
    rows = _all_rows(database, upload)
    if rows is None:
        return Applied(cursor=_cursor(latest))
    _check_whole(upload, rows)
    calls = _apply(database, upload, rows, latest, taken_at)
    return Applied(
        accepted=len(rows),
        is_whole=True,
        calls=calls,
        cursor=_cursor(_latest(database, upload.envelope.source)),
        text_wanted=_text_wanted(database, upload.envelope.source),
    )


@transaction.atomic
def take_texts(*, collector: Collector, upload: TextsUpload) -> int:
    """Store texts that were asked for; return how many statements they belong to. One that is gone stays without."""
    texts = {
        text.fingerprint_id: text.fingerprint
        for text in upload.texts
        if text.fingerprint_id is not None and text.fingerprint is not None
    }
    pks = ledger.fingerprint_pks(collector.organization_id, texts) if texts else {}
    stored = 0
    for text in upload.texts:
        wanted = Statement.objects.filter(
            database_id=collector.database_id,
            source=upload.envelope.source,
            key=text.key,
            text_state__in=[TextState.WANTED, TextState.UNAVAILABLE],
        )
        if text.fingerprint_id is None:
            wanted.update(text_state=TextState.UNAVAILABLE)
        else:
            stored += wanted.update(text_state=TextState.KNOWN, fingerprint_id=pks[text.fingerprint_id])
    return stored


def _apply(
    database: MonitoredDatabase,
    upload: SnapshotUpload,
    rows: list[SnapshotRow],
    latest: SnapshotBaseline | None,
    taken_at: datetime,
) -> int | None:
    source = upload.envelope.source
    own = SnapshotBaseline.objects.filter(database=database, source=source, generation=upload.generation).first()
    base = generations.base_of(
        has_baseline=own is not None,
        latest=None if latest is None else Known(latest.server_id, latest.taken_at),
        server_id=upload.server_id,
        age_seconds=upload.generation_age_seconds,
        taken_at=taken_at,
    )
    current = {row.key: row.absolute for row in rows}
    previous = _Stored() if own is None else _unpacked(bytes(own.rows))
    covered_from = _covered_from(own or latest, upload, taken_at)
    opening = ledger_audits.opening(
        own=own,
        latest=latest,
        base=base,
        database=database,
        source=source,
        previous=previous.rows,
        current=current,
        begins_at=taken_at if base is Base.ITSELF else covered_from,
    )
    overflow, calls = 0, None
    if base is not Base.ITSELF:
        overflow, calls = _add(database, source, rows, previous.rows, ledger.middle(covered_from, taken_at))
    _record_beginning(database, source, base, latest, taken_at)
    _record_losses(database, upload, base, previous, current, overflow, covered_from, taken_at)
    merged = {key: counters.merged(previous.rows.get(key), now) for key, now in current.items()}
    baseline = _store_baseline(database, upload, merged, taken_at, opening)
    if source is Source.PERFORMANCE_SCHEMA and database.digests_since is None:
        _begin_digest_totals(database, ledger.bucket_start(taken_at))
    if upload.audit is not None:
        ledger_audits.compare(baseline=baseline, live=merged, command_id=upload.audit)
    return calls


def _begin_digest_totals(database: MonitoredDatabase, start: datetime) -> None:
    """From `start` on totals come from performance_schema: whole buckets, for one counted in part by each would count twice."""
    MonitoredDatabase.objects.filter(pk=database.pk).update(digests_since=start)
    # Hours that were rolled up with the slow log's executions are made anew without them.
    changed = Bucket.objects.filter(database=database, started_at__gte=start).order_by()
    rollups.mark(
        database=database, level=rollups.HOURS, changed=changed.values_list("started_at", flat=True).distinct()
    )


def _covered_from(before: SnapshotBaseline | None, upload: SnapshotUpload, taken_at: datetime) -> datetime:
    if before is not None:
        return before.taken_at
    return taken_at - timedelta(seconds=upload.envelope.interval_seconds or 0)


def _add(
    database: MonitoredDatabase,
    source: Source,
    rows: list[SnapshotRow],
    previous: Mapping[str, Absolute],
    at: datetime,
) -> tuple[int, int]:
    """Write what was added. Return the calls that the source could count only together, and all calls."""
    grown = dict(counters.deltas(previous, {row.key: row.absolute for row in rows}))
    facts = {
        row.key: ledger.StatementFacts(digest=row.digest, schema_name=row.database, user_name=row.user)
        for row in rows
        if row.key in grown
    }
    ids = ledger.statement_ids(database, source, facts)
    began = [
        row.key
        for row in rows
        if row.key in grown and (row.key not in previous or counters.is_new_life(previous[row.key], row.absolute))
    ]
    ledger.ask_again(database, source, began)
    additions = ledger.BucketAdditions(database)
    for key, delta in grown.items():
        additions.add(ids[key], at, delta)
    additions.write()
    completeness.record_expired(database=database, source=source, additions=additions, start=at)
    overflow = grown.get(OVERFLOW_KEY) if source is Source.PERFORMANCE_SCHEMA else None
    return overflow.calls if overflow else 0, min(
        sum(delta.calls for delta in grown.values()), limits.MAX_REPORTED_COUNT
    )


def _record_beginning(
    database: MonitoredDatabase, source: Source, base: Base, latest: SnapshotBaseline | None, taken_at: datetime
) -> None:
    if base is Base.STORED:
        return
    # What ran between the last snapshot and the end of the old counters is gone with them.
    kind = GapKind.BASELINE if latest is None else GapKind.GENERATION
    start = taken_at if latest is None else latest.taken_at
    completeness.record_gap(database=database, source=source, kind=kind, amount=None, start=start, end=taken_at)


def _record_losses(
    database: MonitoredDatabase,
    upload: SnapshotUpload,
    base: Base,
    previous: "_Stored",
    current: Mapping[str, Absolute],
    overflow: int,
    covered_from: datetime,
    taken_at: datetime,
) -> None:
    """Record what the source itself threw away since the snapshot before, whichever agents were there to see it.

    `overflow` is the number of calls that it could count only together.
    """
    source, reported = upload.envelope.source, dict(upload.envelope.completeness)
    if source is Source.PERFORMANCE_SCHEMA:
        reported["overflow_calls"] = max(overflow, reported.get("digest_lost", 0))
    evicted = generations.evicted(base, previous.evictions_total, upload.evictions_total)
    if evicted is not None:
        reported["evictions"] = evicted
    completeness.record_reported(
        database=database, source=source, completeness=reported, start=covered_from, end=taken_at
    )
    ended = 0 if reported.get("evictions") else counters.lives_ended(previous.rows, current)
    if ended:
        completeness.record_gap(
            database=database,
            source=source,
            kind=GapKind.GENERATION,
            amount=None,
            start=covered_from,
            end=taken_at,
            detail=f"The counters of {ended} statements were thrown away.",
        )


def _store_baseline(
    database: MonitoredDatabase,
    upload: SnapshotUpload,
    rows: Mapping[str, Absolute],
    taken_at: datetime,
    opening: dict[str, Any],
) -> SnapshotBaseline:
    baseline, _ = SnapshotBaseline.objects.update_or_create(
        database=database,
        source=upload.envelope.source,
        generation=upload.generation,
        defaults={
            "organization_id": database.organization_id,
            "server_id": upload.server_id,
            "epoch": upload.envelope.epoch,
            "seq": upload.seq,
            "taken_at": taken_at,
            "rows": _packed(_Stored(rows, upload.evictions_total)),
            **opening,
        },
    )
    return baseline


def _all_rows(database: MonitoredDatabase, upload: SnapshotUpload) -> list[SnapshotRow] | None:
    """Return the rows of the whole snapshot, or None when this part was kept and others are missing."""
    if upload.parts == 1:
        return upload.queries
    parts = SnapshotPart.objects.filter(database=database, snapshot_id=upload.snapshot_id)
    SnapshotPart.objects.filter(database=database, received_at__lt=Now() - timedelta(days=1)).delete()
    parts.update_or_create(
        database=database,
        snapshot_id=upload.snapshot_id,
        part=upload.part,
        defaults={"organization_id": database.organization_id, "rows": _packed_rows(upload.queries)},
    )
    if parts.count() < upload.parts:
        return None
    staged = list(parts.order_by("part"))
    parts.delete()
    return [row for part in staged for row in _unpacked_rows(bytes(part.rows))]


def _check_whole(upload: SnapshotUpload, rows: list[SnapshotRow]) -> None:
    if len(rows) != upload.rows:
        message = f"The snapshot has {len(rows)} rows, {upload.rows} were announced."
        raise Refused(message, code="incomplete_snapshot", errors={"rows": [message]})
    if len({row.key for row in rows}) != len(rows):
        message = "A key stands in the snapshot twice."
        raise Refused(message, code="incomplete_snapshot", errors={"queries": [message]})


def _latest(database: MonitoredDatabase, source: Source) -> SnapshotBaseline | None:
    return SnapshotBaseline.objects.filter(database=database, source=source).order_by("-epoch", "-seq").first()


def _fence(database: MonitoredDatabase) -> int:
    """Return the epoch before which snapshots may have been read after those of the agent that collects now."""
    return Lease.objects.filter(database=database).values_list("epoch", flat=True).first() or 0


def _cursor(latest: SnapshotBaseline | None) -> dict[str, Any] | None:
    if latest is None:
        return None
    return {"generation": latest.generation, "epoch": latest.epoch, "seq": latest.seq}


def _text_wanted(database: MonitoredDatabase, source: Source) -> list[str]:
    wanted = Statement.objects.filter(database=database, source=source, text_state=TextState.WANTED)
    return list(wanted.order_by("pk").values_list("key", flat=True)[: limits.MAX_TEXTS_WANTED])


@dataclass(frozen=True)
class _Stored:
    """What a baseline keeps of its snapshot."""

    rows: Mapping[str, Absolute] = field(default_factory=dict)
    evictions_total: int | None = None


def _packed(stored: _Stored) -> bytes:
    rows = {key: absolute.packed() for key, absolute in stored.rows.items()}
    content = {"rows": rows, "evictions_total": stored.evictions_total}
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode(), level=1)


def _unpacked(packed: bytes) -> _Stored:
    content = json.loads(zlib.decompress(packed))
    # Baselines of the first version are the rows alone; no natural key is called "rows".
    rows = content["rows"] if isinstance(content.get("rows"), dict) else content
    return _Stored({key: Absolute.unpacked(members) for key, members in rows.items()}, content.get("evictions_total"))


def _packed_rows(rows: list[SnapshotRow]) -> bytes:
    content = [[row.key, row.digest, row.database, row.user, row.absolute.packed()] for row in rows]
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode(), level=1)


def _unpacked_rows(packed: bytes) -> list[SnapshotRow]:
    return [
        SnapshotRow(key, digest, database, user, Absolute.unpacked(members))
        for key, digest, database, user, members in json.loads(zlib.decompress(packed))
    ]
