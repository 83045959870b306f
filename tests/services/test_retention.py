"""How long rows are kept: hidden at once when they are past it, removed with the next upkeep, not taken when they come later."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from collectors.domain import limits, periods
from collectors.models import Bucket, Cost, Gap, Organization, SlowQuery
from collectors.models.completeness import GapKind
from collectors.services import queries, retention, rollups, storage
from tests.cast import Cast
from tests.services.uploading import send, slow_log, slow_query, snapshot, statement

pytestmark = pytest.mark.django_db
TODAY = periods.floor(timezone.now(), periods.DAY)


def keep(cast: Cast, **days: int | None) -> None:
    Organization.objects.filter(pk=cast.example.pk).update(**days)
    for collector in (cast.collector, cast.warehouse_collector):
        collector.refresh_from_db()


def calls(days: int = 3_000) -> int:
    """What a reader finds over so many days."""
    now = timezone.now()
    rows = queries.top_fingerprints(
        costs=Cost.objects.all(), since=now - timedelta(days=days), until=now + periods.BUCKET
    )
    return sum(row["sum_calls"] for row in rows)


def upload(cast: Cast, *ages_in_days: float) -> None:
    rows = [slow_query(age_seconds=age * 86_400) for age in ages_in_days]
    send(cast.collector, slow_log(0, len(rows), queries=rows))


def test_retention_ends_with_whole_days() -> None:
    assert retention.start_of(0) == TODAY
    assert retention.start_of(14) == TODAY - timedelta(days=14)


def test_what_an_organization_no_longer_keeps_is_hidden_at_once_and_removed_with_the_next_upkeep(cast: Cast) -> None:
    upload(cast, 0.0, 5, 12)
    rollups.roll_up()
    assert (calls(), retention.kept(SlowQuery.objects.all()).count()) == (3, 3)
    keep(cast, history_retention_days=8, slow_query_retention_days=3)
    assert (calls(), retention.kept(SlowQuery.objects.all()).count()) == (2, 1)
    Organization.objects.exclude(pk=cast.example.pk).update(history_retention_days=8, slow_query_retention_days=3)
    storage.maintain()
    assert retention.kept(SlowQuery.objects.all()).count() == 1
    assert calls() == 2
    if connection.vendor != "postgresql":
        assert (SlowQuery.objects.count(), Bucket.objects.count()) == (1, 2)


def test_a_week_that_is_kept_in_part_shows_the_days_that_are_kept(cast: Cast) -> None:
    upload(cast, *range(22))
    rollups.roll_up()
    assert Cost.objects.filter(resolution="week").exists()
    for days in range(7, 15):
        keep(cast, history_retention_days=days)
        assert calls() == days + 1


def test_a_longer_retention_of_one_organization_keeps_its_rows_and_hides_those_of_others(cast: Cast) -> None:
    keep(cast, slow_query_retention_days=60)
    upload(cast, 0.0, 40)
    send(cast.foreign_collector, slow_log(0, 2, queries=[slow_query(age_seconds=40 * 86_400), slow_query()]))
    storage.maintain()
    kept = retention.kept(SlowQuery.objects.all())
    assert kept.filter(organization_id=cast.example.pk).count() == 2
    assert kept.exclude(organization_id=cast.example.pk).count() == 1


def test_executions_too_old_to_be_kept_one_by_one_still_count(cast: Cast) -> None:
    upload(cast, 0.0, limits.SLOW_QUERY_RETENTION_DAYS + 2)
    assert SlowQuery.objects.count() == 1
    assert calls() == 2
    assert not Gap.objects.filter(kind=GapKind.EXPIRED).exists()


@pytest.mark.parametrize(("days", "expired"), [(None, 0), (8, 1), (1, 2)])
def test_rows_past_their_retention_are_taken_counted_and_not_stored(cast: Cast, days: int | None, expired: int) -> None:
    keep(cast, history_retention_days=days)
    upload(cast, 0.0, 5, 12)
    assert calls() == 3 - expired
    assert [gap.amount for gap in Gap.objects.filter(kind=GapKind.EXPIRED)] == ([expired] if expired else [])


def test_a_difference_of_snapshots_past_its_retention_is_counted_and_not_stored(cast: Cast) -> None:
    old: dict[str, Any] = {"age_seconds": 100 * 86_400}
    send(cast.warehouse_collector, snapshot(1, statement("a", 10), **old))
    send(cast.warehouse_collector, snapshot(2, statement("a", 17), **old))
    send(cast.warehouse_collector, snapshot(3, statement("a", 18), **old))
    assert [gap.amount for gap in Gap.objects.filter(kind=GapKind.EXPIRED).order_by("pk")] == [7, 1]
    assert calls() == 0


def test_what_is_not_rolled_up_yet_is_not_removed(cast: Cast) -> None:
    upload(cast, 0.0, 80)
    connection.cursor().execute(
        "UPDATE query_buckets SET started_at = %s WHERE started_at < %s",
        [connection.ops.adapt_datetimefield_value(at) for at in (TODAY - timedelta(days=200), TODAY - periods.DAY)],
    )
    rollups.mark(database=cast.collector.database, level=rollups.HOURS, changed=[TODAY - timedelta(days=200)])
    storage.maintain()
    assert Bucket.objects.count() == 2
    while rollups.roll_up():
        pass
    storage.maintain()
    assert calls(days=250) == 2
    if connection.vendor != "postgresql":
        assert Bucket.objects.count() == 1


def test_old_periods_are_read_in_what_is_left_of_them(cast: Cast) -> None:
    upload(cast, 0.0, 80)
    rollups.roll_up()
    old = TODAY - timedelta(days=300, hours=-5)
    with connection.cursor() as cursor:
        for table in ("query_hours", "query_sketch_hours"):
            cursor.execute(f"UPDATE {table} SET started_at = %s", [connection.ops.adapt_datetimefield_value(old)])
    rows = queries.top_fingerprints(
        costs=Cost.objects.all(), since=old + timedelta(minutes=20), until=old + timedelta(minutes=40)
    )
    assert [row["sum_calls"] for row in rows] == [1]
