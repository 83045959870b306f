"""The tables that grow: partitions ahead and dropped on PostgreSQL, old rows deleted in chunks on SQLite."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from collectors.domain import limits
from collectors.domain.sources import Source
from collectors.models import Bucket, DirtyHour, Gap, LoginSession, ReceivedUpload, SlowQuery
from collectors.models.completeness import GapKind
from collectors.services import storage
from tests.cast import Cast
from tests.services.uploading import send, slow_log, slow_query
from tests.threads import at_once

pytestmark = pytest.mark.django_db
BUCKETS, SLOW = storage.TABLES[:2]
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="partitions exist on PostgreSQL only")
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="one plain table exists on SQLite only")


def partitions(table: storage.Table) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [table.name])
        return {row[0] for row in cursor.fetchall()}


def rows_in(name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {name}")
        return int(cursor.fetchone()[0])


def age_rows(days: float) -> None:
    """Move all numbers into the past, as if they had been stored and rolled up then."""
    DirtyHour.objects.all().delete()
    moment = connection.ops.adapt_datetimefield_value(timezone.now() - timedelta(days=days))
    with connection.cursor() as cursor:
        for table in storage.TABLES:
            cursor.execute(f"UPDATE {table.name} SET started_at = %s", [moment])


@pytest.mark.parametrize("table", storage.TABLES, ids=lambda table: table.name)
def test_a_partition_begins_at_or_before_what_it_holds(table: storage.Table) -> None:
    for at in (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 5, 23, 59, 59, tzinfo=UTC)):
        begin = storage.partition_start(table, at)
        assert begin <= at < begin + timedelta(days=table.days)
        assert storage.partition_start(table, begin) == begin


@on_postgresql
def test_partitions_are_made_ahead_and_as_far_back_as_rows_are_kept(cast: Cast) -> None:
    storage.maintain()
    now = timezone.now()
    for table in storage.TABLES:
        width = timedelta(days=table.days)
        begin, last = (storage.partition_start(table, at) for at in (table.oldest(now), now))
        wanted = {f"{table.name}_default"}
        while begin <= last + limits.PARTITIONS_AHEAD * width:
            wanted.add(f"{table.name}_{begin:%Y%m%d}")
            begin += width
        assert partitions(table) == wanted


@on_postgresql
def test_rows_that_the_default_partition_took_move_into_theirs(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 3))
    assert (rows_in("slow_queries_default"), rows_in("query_buckets_default")) == (3, 1)
    storage.maintain()
    assert (rows_in("slow_queries_default"), rows_in("query_buckets_default")) == (0, 0)
    assert SlowQuery.objects.count() == 3
    send(cast.collector, slow_log(3, 2))
    assert (SlowQuery.objects.count(), rows_in("slow_queries_default")) == (5, 0)
    assert len(set(SlowQuery.objects.values_list("pk", flat=True))) == 5
    assert sum(Bucket.objects.values_list("calls", flat=True)) == 5


@on_postgresql
def test_partitions_past_their_retention_are_dropped_and_younger_ones_stay(cast: Cast) -> None:
    now = timezone.now()
    storage._maintain_partitions(SLOW, now - timedelta(days=SLOW.retention_days + 3))
    old = partitions(SLOW)
    storage.maintain()
    left = partitions(SLOW)
    begin = storage.partition_start(SLOW, SLOW.oldest(now))
    assert f"slow_queries_{begin:%Y%m%d}" in left, "it still holds rows within the retention"
    assert f"slow_queries_{begin - timedelta(days=1):%Y%m%d}" in old - left


@on_postgresql
def test_a_default_partition_that_holds_nothing_but_old_rows_is_emptied(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 2))
    age_rows(SLOW.retention_days + 3)
    storage.maintain()
    assert (SlowQuery.objects.count(), Bucket.objects.count()) == (0, 1)
    age_rows(BUCKETS.retention_days + 10)
    storage.maintain()
    assert Bucket.objects.count() == 0


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_each_partition_once(cast: Cast) -> None:
    results = at_once(*[storage.maintain for _ in range(3)])
    assert results == [None, None, None]
    with connection.cursor() as cursor:
        for table in storage.TABLES:
            for name in partitions(table) - {f"{table.name}_default"}:
                cursor.execute(f"DROP TABLE {name}")


@on_sqlite
def test_old_rows_are_deleted_in_chunks(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_CHUNK", 2)
    send(cast.collector, slow_log(0, 7))
    age_rows(SLOW.retention_days + 3)
    storage.maintain()
    assert (SlowQuery.objects.count(), Bucket.objects.count()) == (0, 1)
    age_rows(BUCKETS.retention_days + 10)
    storage.maintain()
    assert Bucket.objects.count() == 0


def test_rows_within_the_retention_stay(cast: Cast) -> None:
    old = slow_query(age_seconds=(SLOW.retention_days - 1) * 86_400)
    send(cast.collector, slow_log(0, 2, queries=[old, slow_query()]))
    storage.maintain()
    assert (SlowQuery.objects.count(), Bucket.objects.count()) == (2, 2)


def test_what_is_only_remembered_for_a_while_is_forgotten(cast: Cast) -> None:
    send(cast.collector, {"queries": [{"query": "select 1"}]})
    storage.maintain()
    assert ReceivedUpload.objects.count() == 1
    ReceivedUpload.objects.update(received_at=Now() - timedelta(days=limits.UPLOAD_MEMORY_DAYS + 1))
    for days in (20, 40):
        LoginSession.objects.create(user=cast.bob, refresh_id="x", expires_at=timezone.now() - timedelta(days=days))
    storage.maintain()
    assert (ReceivedUpload.objects.count(), LoginSession.objects.count()) == (0, 1)


def test_gaps_go_with_the_numbers_of_their_times(cast: Cast) -> None:
    now = timezone.now()
    cast.sample.history_retention_days = 30
    cast.sample.save(update_fields=["history_retention_days"])
    for collector in (cast.collector, cast.foreign_collector):
        for covered, noticed in ((29, 29), (32, 32), (32, 1)):
            gap = Gap.objects.create(
                organization_id=collector.organization_id,
                database_id=collector.database_id,
                source=Source.SLOW_LOG,
                kind=GapKind.EXPIRED,
                covered_from=now - timedelta(days=covered),
                covered_to=now - timedelta(days=covered),
            )
            Gap.objects.filter(pk=gap.pk).update(created_at=now - timedelta(days=noticed))
    storage.maintain()
    assert Gap.objects.filter(database_id=cast.collector.database_id).count() == 3
    left = Gap.objects.filter(database_id=cast.foreign_collector.database_id)
    assert sorted((now - gap.created_at).days for gap in left) == [1, 29]
