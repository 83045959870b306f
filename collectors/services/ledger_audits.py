"""Audits: whether what is stored is what the live servers have counted."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, F, Min, QuerySet, Sum, Value, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from collectors.domain import audits, periods
from collectors.domain.actors import Actor
from collectors.domain.audits import Difference, Sums
from collectors.domain.commands import CommandType
from collectors.domain.counters import Absolute
from collectors.domain.generations import Base
from collectors.domain.sources import Source
from collectors.domain.uploads import LogTotalsUpload
from collectors.models import (
    Collector,
    Command,
    Cost,
    LedgerAudit,
    LogCursor,
    MonitoredDatabase,
    SlowQuery,
    SnapshotBaseline,
    Statement,
)
from collectors.services import commands, queries, retention
from collectors.services.errors import Conflict

# Beyond that only their number is kept: whoever has so many looks for one cause, not at each of them.
_WORST: Final = 100


def request_audit(*, database: MonitoredDatabase, actor: Actor) -> Command:
    """Ask the collector that reads a database for an audit. Raises `Conflict` when there is none, or it is not heard."""
    collector = Collector.objects.filter(lease__database=database).select_related("heartbeat").first()
    if collector is None or not collector.is_online():
        raise Conflict("No agent reads this database now.", code="nobody_collects")
    return commands.request_command(
        collector=collector, command=CommandType.AUDIT, actor=actor, params={"log_positions": _whole_from(database)}
    )


def opening(
    *,
    own: SnapshotBaseline | None,
    latest: SnapshotBaseline | None,
    base: Base,
    database: MonitoredDatabase,
    source: Source,
    previous: Mapping[str, Absolute],
    current: Mapping[str, Absolute],
    begins_at: datetime,
) -> dict[str, Any]:
    """Return the members `opening` and `opened_at` of the baseline that a snapshot becomes; empty where they stay.

    Called before what the snapshot adds is written. `previous` and `current` are the rows of the baseline and of the snapshot,
    `begins_at` is the earliest time that anything counted from now on is written at.
    """
    # Where another generation has written since, or the beginning is too long ago, the ledger as it is now is the new one.
    if own is not None and latest is not None and own.pk == latest.pk and _lasts(own):
        stored = _unpacked(bytes(own.opening or b""))
        moved = audits.moved_on(stored, previous, current)
        return {} if moved == stored else {"opening": _packed(moved)}
    # A bucket that the first difference may fall in has to lie behind the beginning, whatever clocks do.
    opened_at = periods.floor(begins_at, periods.HOUR) - periods.HOUR
    before = {Base.STORED: previous, Base.ITSELF: current, Base.ZERO: {}}[base]
    taken = audits.opening_of(before, _stored_since(database, source, opened_at))
    if base is Base.STORED:
        taken = audits.moved_on(taken, previous, current)
    return {"opening": _packed(taken), "opened_at": opened_at}


def compare(*, baseline: SnapshotBaseline, live: Mapping[str, Absolute], command_id: int) -> None:
    """Record how the ledger compares with the counters that an audit's snapshot has just brought."""
    command = _command(baseline.database_id, command_id)
    if command is None or baseline.opening is None or baseline.opened_at is None:
        return
    counted = audits.counted_since(live, _unpacked(bytes(baseline.opening)))
    stored = _stored_since(baseline.database, Source(baseline.source), baseline.opened_at)
    _record(baseline.database, command, Source(baseline.source), baseline.opened_at, counted, stored)


@transaction.atomic
def compare_log(*, collector: Collector, upload: LogTotalsUpload) -> None:
    """Record how single executions compare with the live log they were read from, and the buckets with them."""
    command = _command(collector.database_id, upload.audit)
    if command is None:
        return
    database = MonitoredDatabase.objects.select_for_update().get(pk=collector.database_id)
    kept = SlowQuery.objects.filter(database=database)
    first = kept.aggregate(first=Min("started_at"))["first"] or timezone.now()
    organization = database.organization
    kept_from = max(retention.oldest_slow_query(organization), retention.oldest_written(organization))
    since = max(kept_from, periods.floor(first, periods.DAY))
    rows = kept.filter(generation=upload.generation, position__gte=upload.position, position__lt=upload.until)
    stored = {
        key: sums
        for key, sums in _summed(rows).items()
        if key > upload.after_key and (upload.last_key is None or key <= upload.last_key)
    }
    live = {row.key: Sums(row.calls, row.total_time_ns, row.rows) for row in upload.totals}
    _record(database, command, Source.SLOW_LOG, since, live, stored)
    if not upload.after_key:
        _compare_buckets(database, command, since)


def _compare_buckets(database: MonitoredDatabase, command: Command, since: datetime) -> None:
    """Record how the numbers of slow statements compare with the single executions that they were made of."""
    until = database.digests_since or timezone.now() + periods.DAY
    rows = SlowQuery.objects.filter(database=database, started_at__gte=since, started_at__lt=until)
    _record(
        database, command, Source.SLOW_LOG, since, _summed(rows), _stored_since(database, Source.SLOW_LOG, since, until)
    )


def _summed(rows: QuerySet[SlowQuery]) -> dict[str, Sums]:
    found = (
        rows.order_by()
        .values("statement__key")
        .annotate(calls=Count("id"), time=Sum("query_time_ns"), returned=Sum("rows_sent"))
    )
    return {row["statement__key"]: Sums(row["calls"], row["time"], row["returned"]) for row in found}


def _whole_from(database: MonitoredDatabase) -> dict[str, int]:
    """Return by generation of the slow log the position from which on every row is here, of the newest generation."""
    cursor = LogCursor.objects.filter(database=database).order_by("-moved_at", "-pk").first()
    if cursor is None:
        return {}
    rows = retention.kept(SlowQuery.objects.filter(database=database, generation=cursor.generation))
    # Counted from the end: where a row is missing, its neighbours are further from it than their number.
    numbered = rows.annotate(rank=Window(RowNumber(), order_by=F("position").desc()))
    whole = numbered.filter(position=Value(cursor.position) - F("rank"))
    first = whole.aggregate(first=Min("position"))["first"]
    return {cursor.generation: cursor.position if first is None else first}


def _command(database_id: int, command_id: int) -> Command | None:
    return Command.objects.filter(pk=command_id, command=CommandType.AUDIT, collector__database=database_id).first()


def _record(
    database: MonitoredDatabase,
    command: Command,
    source: Source,
    since: datetime,
    counted: Mapping[str, Sums],
    stored: Mapping[str, Sums],
) -> None:
    found = sorted(audits.differences(counted, stored), key=lambda one: (-abs(one.calls), one.key))
    LedgerAudit.objects.create(
        organization_id=database.organization_id,
        database=database,
        command=command,
        source=source,
        since=since,
        statements=len({*counted, *stored}),
        differing=len(found),
        counted_calls=sum(sums.calls for sums in counted.values()),
        stored_calls=sum(sums.calls for sums in stored.values()),
        worst=_named(database, source, found[:_WORST]),
    )


def _named(database: MonitoredDatabase, source: Source, found: list[Difference]) -> list[dict[str, Any]]:
    rows = Statement.objects.filter(database=database, source=source, key__in=[one.key for one in found])
    names = dict(rows.values_list("key", "fingerprint__text"))
    return [{**asdict(one), "fingerprint": names.get(one.key)} for one in found]


def _stored_since(
    database: MonitoredDatabase, source: Source, since: datetime, until: datetime | None = None
) -> dict[str, Sums]:
    costs = Cost.objects.filter(statement__source=source, database=database)
    rows = (
        queries.in_period(costs, since=since, until=until or timezone.now() + periods.DAY)
        .order_by()
        .values("statement__key")
        .annotate(sum_calls=Sum("calls"), sum_time=Sum("total_time_ns"), sum_rows=Sum("rows"))
    )
    return {row["statement__key"]: Sums(row["sum_calls"], row["sum_time"], row["sum_rows"]) for row in rows}


def _lasts(baseline: SnapshotBaseline) -> bool:
    """Tell whether the opening can still be compared with everything stored since: nothing of that is removed yet."""
    oldest = retention.oldest_written(baseline.database.organization)
    return baseline.opening is not None and baseline.opened_at is not None and baseline.opened_at >= oldest


def _packed(opening: Mapping[str, Sums]) -> bytes:
    content = {key: [sums.calls, sums.total_time_ns, sums.rows] for key, sums in opening.items()}
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode(), level=1)


def _unpacked(packed: bytes) -> dict[str, Sums]:
    return {key: Sums(*numbers) for key, numbers in json.loads(zlib.decompress(packed)).items()}
