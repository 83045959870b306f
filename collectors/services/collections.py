"""Collections: one narrow row for each, written with what it brought, and the history that these rows tell.

Of a slow log something is uploaded only where there was something in it, so only snapshots, of which each collection brings
one, tell that a collection is missing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, F, FloatField, QuerySet, Value, Window
from django.db.models.functions import Greatest, Lag

from collectors.domain import limits, time_ranges
from collectors.domain.sources import Source
from collectors.models import Collection, Collector
from collectors.services import retention
from collectors.services.fleet import Epoch
from collectors.services.series import Slot

CUMULATIVE: Final = (Source.PG_STAT_STATEMENTS, Source.PERFORMANCE_SCHEMA)
# A collection that comes later than so many of its intervals after the one before it leaves a hole.
_LATE: Final = 1.5


@dataclass(frozen=True)
class Hole:
    """A time without the collections that were wanted."""

    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        """How long it was."""
        return self.until - self.since


def record(*, collector: Collector, source: Source, read_at: datetime, received_at: datetime, **brought: Any) -> None:
    """Write down a collection, in the transaction that takes what it `brought`. One that is past its retention leaves no trace."""
    if read_at < retention.start_of(limits.COLLECTION_RETENTION_DAYS, received_at):
        return
    Collection.objects.create(
        organization_id=collector.organization_id,
        collector=collector,
        source=source,
        started_at=read_at,
        received_at=received_at,
        interval_minutes=collector.collection_interval_minutes,
        **brought,
    )


def forget(*, collector: Collector) -> None:
    """Remove a collector's history, in the transaction that removes the collector."""
    Collection.objects.filter(collector=collector).delete()


def by_slot(*, rows: QuerySet[Collection], since: datetime, until: datetime, width: timedelta) -> list[int]:
    """Return how many collections were read in each slot of a period, oldest first.

    Nothing but the columns of the key is asked for: PostgreSQL counts a month of one collector in its index alone, where the
    rows themselves lie apart by as many pages as there are.
    """
    starts = time_ranges.starts(since, until, width)
    slots = _within(rows, starts[0], until).order_by().annotate(slot=Slot("started_at", int(width.total_seconds())))
    found = dict(slots.values_list("slot").annotate(Count("id")))
    return [found.get(start, 0) for start in starts]


def newest(*, rows: QuerySet[Collection], since: datetime, until: datetime, most: int) -> list[Collection]:
    """Return the newest collections of a period, newest first."""
    return list(_within(rows, since, until).order_by("-started_at", "-id")[:most])


def holes(*, rows: QuerySet[Collection], since: datetime, until: datetime, now: datetime, most: int) -> list[Hole]:
    """Return when a period lacks collections, the newest so many, oldest first.

    What was before the first collection ever is no hole. What came again, or stood by, was none of the collections either.
    """
    whole = rows.filter(source__in=CUMULATIVE, is_stale=False)
    before = whole.filter(started_at__lt=since).order_by("-started_at").values_list("started_at", flat=True).first()
    within = _within(whole, before or since, until)
    previous, wanted = (_before(name) for name in ("started_at", "interval_minutes"))
    # One that is wanted sooner than the one before it was comes late by the new interval, and misses nothing.
    interval = Greatest(F("interval_minutes"), wanted) * Value(60 * _LATE, output_field=FloatField())
    missing = within.annotate(previous=previous, gap=Epoch("started_at") - Epoch(previous)).filter(gap__gt=interval)
    found = [Hole(*times) for times in missing.order_by("-started_at").values_list("previous", "started_at")[:most]]
    last = within.order_by("-started_at").first()
    if last is not None and min(until, now) - last.started_at > _LATE * timedelta(minutes=last.interval_minutes):
        found.insert(0, Hole(last.started_at, min(until, now)))
    return found[:most][::-1]


def _before(name: str) -> Window:
    """Return what the collection before has of that name."""
    return Window(Lag(name), order_by=F("started_at").asc())


def _within(rows: QuerySet[Collection], since: datetime, until: datetime) -> QuerySet[Collection]:
    return rows.filter(started_at__gte=since, started_at__lt=until)
