"""What agents send: each upload is taken whole, in one transaction, or not at all."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import DataError, transaction
from django.db.models.functions import Now

from collectors.domain.sources import SOURCES_OF, Engine, Source
from collectors.domain.uploads import BareUpload, LogTotalsUpload, SlowLogUpload, SnapshotUpload, TextsUpload, Upload
from collectors.models import Collector, Heartbeat
from collectors.services import collections, collector_keys, ledger_audits, slow_log, snapshots
from collectors.services.errors import Refused


@dataclass(frozen=True)
class Taken:
    """What became of an upload. `cursor` tells the agent how far the backend has read the source."""

    accepted: int = 0
    duplicates: int = 0
    stale: bool = False
    cursor: dict[str, Any] | None = None
    text_wanted: list[str] = field(default_factory=list)
    # Of snapshots: whether all parts were there, and what it added to the numbers, None where it was the first.
    is_whole: bool = False
    calls: int | None = None


def take_upload(*, collector: Collector, key_digest: str, upload: Upload, received_at: datetime) -> Taken:
    """Store an upload of the collector's agent.

    Raises `KeyRefused` when the key has ended while the body came in, `Refused` when the upload cannot be of this database,
    or its numbers do not fit, `Conflict` (with the cursor) when rows before it are missing.
    """
    _check_source(collector, upload)
    began = time.perf_counter()
    try:
        with transaction.atomic():
            collector_keys.holder_of(collector_id=collector.pk, key_digest=key_digest)
            taken = _take(collector, upload, received_at)
            brought = _brought(upload, taken, received_at)
            if brought is not None:
                took_ms = round((time.perf_counter() - began) * 1000)
                collections.record(collector=collector, received_at=received_at, took_ms=took_ms, **brought)
    except (DataError, OverflowError) as error:
        raise Refused("A number in the upload is out of range.", code="invalid") from error
    if taken.accepted:
        Heartbeat.objects.filter(pk=collector.pk).update(last_collection=Now())
    return taken


def _take(collector: Collector, upload: Upload, received_at: datetime) -> Taken:
    match upload:
        case SlowLogUpload():
            rows = slow_log.take_rows(collector=collector, upload=upload, read_at=_read_at(upload, received_at))
            return Taken(accepted=rows.accepted, duplicates=rows.duplicates, cursor=rows.cursor)
        case BareUpload():
            rows = slow_log.take_bare(collector=collector, upload=upload, received_at=received_at)
            return Taken(accepted=rows.accepted, duplicates=rows.duplicates)
        case SnapshotUpload():
            applied = snapshots.take_snapshot(
                collector=collector, upload=upload, taken_at=_read_at(upload, received_at)
            )
            return Taken(
                accepted=applied.accepted,
                stale=applied.stale,
                cursor=applied.cursor,
                text_wanted=applied.text_wanted,
                is_whole=applied.is_whole,
                calls=applied.calls,
            )
        case LogTotalsUpload():
            ledger_audits.compare_log(collector=collector, upload=upload)
            return Taken(accepted=0)
        case TextsUpload():
            return Taken(accepted=snapshots.take_texts(collector=collector, upload=upload))


def _brought(upload: Upload, taken: Taken, received_at: datetime) -> dict[str, Any] | None:
    """Return what is written down of a collection; None of an upload that is none, or is not whole yet."""
    match upload:
        case SnapshotUpload():
            # Of one that is stale each part is; it is counted with the last.
            if not taken.is_whole and not (taken.stale and upload.part == upload.parts):
                return None
            counts = {"rows": upload.rows, "calls": taken.calls, "duplicates": 0, "is_stale": taken.stale}
            return {**counts, "source": upload.envelope.source, "read_at": _read_at(upload, received_at)}
        case SlowLogUpload() | BareUpload() if upload.queries:
            return {
                "rows": len(upload.queries),
                "calls": taken.accepted,
                "duplicates": taken.duplicates,
                "is_stale": not taken.accepted,
                "source": Source.SLOW_LOG,
                "read_at": received_at if isinstance(upload, BareUpload) else _read_at(upload, received_at),
            }
    return None


def _read_at(upload: SlowLogUpload | SnapshotUpload, received_at: datetime) -> datetime:
    """Return when the source was read, by the backend's clock: no clock of an agent's host is ever believed."""
    return received_at - timedelta(seconds=upload.envelope.age_seconds)


def _check_source(collector: Collector, upload: Upload) -> None:
    source = Source.SLOW_LOG if isinstance(upload, BareUpload) else upload.envelope.source
    if isinstance(upload, BareUpload) or source in SOURCES_OF[Engine(collector.type)]:
        return
    message = f"A database of type {collector.type} has no source {source}."
    raise Refused(message, code="invalid", errors={"source": [message]})
