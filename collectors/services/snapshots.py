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
from collectors.domain.sources import Source
from collectors.domain.uploads import SnapshotRow, SnapshotUpload, TextsUpload
from collectors.models import Collector, MonitoredDatabase, SnapshotBaseline, SnapshotPart, Statement
from collectors.models.completeness import GapKind
from collectors.models.statements import TextState
from collectors.services import completeness, ledger
from collectors.services.errors import Refused


@dataclass(frozen=True)
class Applied:
    """What became of a snapshot: `accepted` counts its rows once it is whole, zero while parts are missing or it is stale."""

    accepted: int = 0
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
    if latest is not None and (upload.envelope.epoch, upload.seq) <= (latest.epoch, latest.seq):
        return Applied(stale=True, cursor=_cursor(latest))
    rows = _all_rows(database, upload)
    if rows is None:
        return Applied(cursor=_cursor(latest))
    _check_whole(upload, rows)
    _apply(database, upload, rows, latest, taken_at)
    return Applied(
        accepted=len(rows),
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
) -> None:
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
    previous = {} if own is None else _unpacked(bytes(own.rows))
    covered_from = _covered_from(own or latest, upload, taken_at)
    if base is not Base.ITSELF:
        _add(database, source, rows, previous, ledger.middle(covered_from, taken_at))
    _record_gaps(database, upload, base, latest, covered_from, taken_at)
    _store_baseline(database, upload, previous, current, taken_at)


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
) -> None:
    grown = dict(counters.deltas(previous, {row.key: row.absolute for row in rows}))
    facts = {
        row.key: ledger.StatementFacts(digest=row.digest, schema_name=row.database, user_name=row.user)
        for row in rows
        if row.key in grown
    }
    ids = ledger.statement_ids(database, source, facts)
    additions = ledger.BucketAdditions(database)
    for key, delta in grown.items():
        additions.add(ids[key], at, delta)
    additions.write()


def _record_gaps(
    database: MonitoredDatabase,
    upload: SnapshotUpload,
    base: Base,
    latest: SnapshotBaseline | None,
    covered_from: datetime,
    taken_at: datetime,
) -> None:
    source = upload.envelope.source
    if base is not Base.STORED:
        # What ran between the last snapshot and the end of the old counters is gone with them.
        kind = GapKind.BASELINE if latest is None else GapKind.GENERATION
        start = taken_at if latest is None else latest.taken_at
        completeness.record_gap(database=database, source=source, kind=kind, amount=None, start=start, end=taken_at)
    completeness.record_reported(
        database=database,
        source=source,
        completeness=upload.envelope.completeness,
        start=covered_from,
        end=taken_at,
    )


def _store_baseline(
    database: MonitoredDatabase,
    upload: SnapshotUpload,
    previous: Mapping[str, Absolute],
    current: Mapping[str, Absolute],
    taken_at: datetime,
) -> None:
    merged = {key: counters.merged(previous.get(key), now) for key, now in current.items()}
    SnapshotBaseline.objects.update_or_create(
        database=database,
        source=upload.envelope.source,
        generation=upload.generation,
        defaults={
            "organization_id": database.organization_id,
            "server_id": upload.server_id,
            "epoch": upload.envelope.epoch,
            "seq": upload.seq,
            "taken_at": taken_at,
            "rows": _packed(merged),
        },
    )


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
    staged = list(parts.order_by("part"))
    if len(staged) < upload.parts:
        return None
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


def _cursor(latest: SnapshotBaseline | None) -> dict[str, Any] | None:
    if latest is None:
        return None
    return {"generation": latest.generation, "epoch": latest.epoch, "seq": latest.seq}


def _text_wanted(database: MonitoredDatabase, source: Source) -> list[str]:
    wanted = Statement.objects.filter(database=database, source=source, text_state=TextState.WANTED)
    return list(wanted.order_by("pk").values_list("key", flat=True)[: limits.MAX_TEXTS_WANTED])


def _packed(rows: Mapping[str, Absolute]) -> bytes:
    content = {key: absolute.packed() for key, absolute in rows.items()}
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode(), level=1)


def _unpacked(packed: bytes) -> dict[str, Absolute]:
    return {key: Absolute.unpacked(members) for key, members in json.loads(zlib.decompress(packed)).items()}


def _packed_rows(rows: list[SnapshotRow]) -> bytes:
    content = [[row.key, row.digest, row.database, row.user, row.absolute.packed()] for row in rows]
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode(), level=1)


def _unpacked_rows(packed: bytes) -> list[SnapshotRow]:
    return [
        SnapshotRow(key, digest, database, user, Absolute.unpacked(members))
        for key, digest, database, user, members in json.loads(zlib.decompress(packed))
    ]
