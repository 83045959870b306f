"""Collections: one row for each that was taken, and what is missing between them."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from collectors.access import principal_of, visible_to
from collectors.domain import limits
from collectors.domain.sources import Source
from collectors.models import Collection, Collector
from collectors.services import collections
from collectors.services.collectors import delete_collector
from collectors.services.errors import Conflict
from tests.cast import SOMEBODY, Cast
from tests.services.uploading import send, slow_log, slow_query, snapshot, statement

pytestmark = pytest.mark.django_db
NOON = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)


def kept() -> list[tuple[str, int, int | None, int, bool]]:
    rows = Collection.objects.order_by("id")
    return list(rows.values_list("source", "rows", "calls", "duplicates", "is_stale"))


def collected(collector: Collector, minutes: float, **members: Any) -> None:
    """Write a collection down that was read so many minutes after noon."""
    read_at = NOON + timedelta(minutes=minutes)
    brought = {"source": Source.PG_STAT_STATEMENTS, "rows": 3, "calls": 10, "duplicates": 0, "is_stale": False}
    collections.record(collector=collector, read_at=read_at, received_at=read_at, took_ms=1, **{**brought, **members})


def minutes_of(at: datetime) -> float:
    return (at - NOON) / timedelta(minutes=1)


def holes(since: float = 0, until: float = 60) -> list[tuple[float, float]]:
    found = collections.holes(
        rows=Collection.objects.all(),
        since=NOON + timedelta(minutes=since),
        until=NOON + timedelta(minutes=until),
        now=timezone.now(),
        most=9,
    )
    return [(minutes_of(hole.since), minutes_of(hole.until)) for hole in found]


def test_each_collection_leaves_one_row_with_what_it_brought(cast: Cast) -> None:
    postgres = Collector.objects.get(pk=cast.warehouse_collector.pk)
    send(postgres, snapshot(1, statement("a", 5)))
    send(postgres, snapshot(2, statement("a", 12), statement("b", 3), age_seconds=60))
    send(postgres, snapshot(2, statement("a", 12), statement("b", 3)))
    send(cast.collector, slow_log(0, 3))
    send(cast.collector, slow_log(1, 3))
    send(cast.collector, {"queries": [slow_query()]})
    assert kept() == [
        ("pg_stat_statements", 1, None, 0, False),
        ("pg_stat_statements", 2, 10, 0, False),
        ("pg_stat_statements", 2, None, 0, True),
        ("slow_log", 3, 3, 0, False),
        ("slow_log", 3, 1, 2, False),
        ("slow_log", 1, 1, 0, False),
    ]
    late = Collection.objects.order_by("id")[1]
    assert (late.received_at - late.started_at, late.interval_minutes) == (timedelta(seconds=60), 5)


def test_parts_are_one_collection_and_what_is_none_or_is_refused_leaves_no_row(cast: Cast) -> None:
    postgres = cast.warehouse_collector
    parts = {"parts": 2, "rows": 2}
    send(postgres, snapshot(1, statement("a", 5), part=1, **parts))
    assert kept() == []
    send(postgres, snapshot(1, statement("b", 5), part=2, **parts))
    for part in (1, 2):
        send(postgres, snapshot(1, statement("a", 5), part=part, **parts))
    send(cast.collector, slow_log(0, 0))
    with pytest.raises(Conflict):
        send(cast.collector, slow_log(7, 2))
    assert kept() == [("pg_stat_statements", 2, None, 0, False), ("pg_stat_statements", 2, None, 0, True)]


def test_what_is_missing_goes_by_the_interval_that_was_wanted_then(cast: Cast) -> None:
    collector = cast.collector
    for minute in (-3, 2, 7, 21, 26):
        collected(collector, minute)
    collector.collection_interval_minutes = 15
    for minute in (41, 56):
        collected(collector, minute)
    assert holes() == [(7, 21)]
    assert holes(22, 60) == []
    assert holes(since=0, until=90) == [(7, 21), (56, 90)]
    assert holes(since=-60, until=0) == [], "what was before the first one is not missing"
    assert holes(since=10, until=20) == [(7, 20)]
    collector.collection_interval_minutes = 5
    for minute in (71, 76):
        collected(collector, minute)
    assert holes(since=22, until=77) == [], "it was wanted every 15 minutes when it was awaited"


def test_a_log_in_which_nothing_was_slow_and_what_was_counted_before_prove_nothing(cast: Cast) -> None:
    collected(cast.collector, 0, source=Source.SLOW_LOG)
    collected(cast.collector, 50, source=Source.SLOW_LOG)
    assert holes() == []
    collected(cast.collector, 1)
    collected(cast.collector, 6, is_stale=True)
    collected(cast.collector, 11)
    assert holes(until=12) == [(1, 11)]


def test_slots_are_counted_and_the_newest_come_first(cast: Cast) -> None:
    for minute in (0, 4, 11, 59):
        collected(cast.collector, minute)
    period: dict[str, Any] = {"rows": Collection.objects.all(), "since": NOON, "until": NOON + timedelta(hours=1)}
    assert collections.by_slot(**period, width=timedelta(minutes=10)) == [2, 1, 0, 0, 0, 1]
    assert [minutes_of(row.started_at) for row in collections.newest(**period, most=2)] == [59, 11]


def test_history_ends_with_its_retention_and_with_its_collector(cast: Cast) -> None:
    collected(cast.collector, -24 * 60 * limits.COLLECTION_RETENTION_DAYS)
    collected(cast.collector, 0)
    collected(cast.warehouse_collector, 0)
    collections.record(
        collector=cast.collector,
        source=Source.SLOW_LOG,
        read_at=timezone.now() - timedelta(days=limits.COLLECTION_RETENTION_DAYS + 2),
        received_at=timezone.now(),
        rows=1,
        calls=1,
        duplicates=0,
        is_stale=False,
        took_ms=1,
    )
    assert Collection.objects.count() == 3
    delete_collector(collector=cast.collector, actor=SOMEBODY)
    assert Collection.objects.get().collector_id == cast.warehouse_collector.pk


@pytest.mark.parametrize("who", ["root", "alice", "bob"])
def test_counting_asks_for_nothing_but_the_key_whoever_looks(cast: Cast, who: str) -> None:
    collected(cast.collector, 0)
    principal = principal_of(getattr(cast, who))
    rows = visible_to(Collection.objects.filter(collector=cast.collector), principal)
    period: dict[str, Any] = {"since": NOON, "until": NOON + timedelta(hours=1), "width": timedelta(hours=1)}
    with CaptureQueriesContext(connection) as asked:
        assert collections.by_slot(rows=rows, **period) == [1]
    columns = re.findall(r'"collections"\."(\w+)"', asked.captured_queries[-1]["sql"])
    assert set(columns) == {"collector_id", "started_at", "id"}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="EXPLAIN is PostgreSQL's")
def test_the_history_of_one_collector_is_read_by_its_key(cast: Cast) -> None:
    rows = Collection.objects.filter(collector=cast.collector, started_at__gte=NOON)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "collections_default_pkey" in rows.order_by("-started_at", "-id").explain()
