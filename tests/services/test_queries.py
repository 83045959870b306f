"""What statements cost over a period."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from collectors.domain import periods
from collectors.models import Bucket, Cost, DirtyDay, DirtyHour, Gap, SlowQuery
from collectors.services import queries, rollups
from tests.cast import Cast
from tests.services.uploading import digests, send, slow_log, slow_query, snapshot, statement

pytestmark = pytest.mark.django_db


def top(costs: QuerySet[Cost], hours: float = 24) -> list[dict[str, Any]]:
    now = timezone.now() + timedelta(minutes=1)
    return list(queries.top_fingerprints(costs=costs, since=now - timedelta(hours=hours), until=now))


def test_statements_of_one_text_are_one_row_per_database_dearest_first(cast: Cast) -> None:
    cheap: dict[str, Any] = {"fingerprint_id": "1" * 16, "fingerprint": "cheap", "query_time": 0.1}
    rows = [slow_query(database="a"), slow_query(database="b", query_time=1.5), slow_query(**cheap)]
    send(cast.collector, slow_log(0, 3, queries=rows))
    found = top(Cost.objects.all())
    assert [(row["fingerprint"], row["sum_calls"], row["sum_time_ns"]) for row in found] == [
        ("select ?", 2, 2_000_000_000),
        ("cheap", 1, 100_000_000),
    ]
    assert found[0]["database_name"] == "shop-mysql"


def test_statements_whose_text_is_not_here_stay_apart(cast: Cast) -> None:
    send(cast.warehouse_collector, snapshot(1))
    send(cast.warehouse_collector, snapshot(2, statement("a", 5), statement("b", 7)))
    found = top(Cost.objects.all())
    assert [(row["fingerprint"], row["sum_calls"]) for row in found] == [(None, 7), (None, 5)]


def test_only_the_period_counts(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 2, queries=[slow_query(), slow_query(age_seconds=7200)]))
    assert top(Cost.objects.all(), hours=1)[0]["sum_calls"] == 1
    assert top(Cost.objects.all(), hours=3)[0]["sum_calls"] == 2


def test_gaps_that_touch_the_period_are_shown(cast: Cast) -> None:
    now = timezone.now()
    for hours in (10, 2):
        Gap.objects.create(
            organization_id=cast.example.pk,
            database=cast.collector.database,
            source="slow_log",
            kind="missed",
            amount=hours,
            covered_from=now - timedelta(hours=hours + 1),
            covered_to=now - timedelta(hours=hours),
        )
    found = queries.gaps_between(gaps=Gap.objects.all(), since=now - timedelta(hours=5), until=now)
    assert [gap.amount for gap in found] == [2]
    assert not queries.gaps_between(gaps=Gap.objects.all(), since=now - timedelta(hours=1), until=now).exists()


def gap(cast: Cast, kind: str, amount: int | None, *, hours: float, apart: bool = False) -> None:
    ended = timezone.now() - timedelta(hours=hours)
    database = cast.warehouse_collector.database if apart else cast.collector.database
    Gap.objects.create(
        organization_id=database.organization_id,
        database=database,
        source="slow_log",
        kind=kind,
        amount=amount,
        covered_from=ended - timedelta(hours=1),
        covered_to=ended,
    )


def lines(most: int) -> list[tuple[str | None, str, int | None, int]]:
    gaps = queries.gaps_between(gaps=Gap.objects.all(), since=None, until=None)
    return [(line.database_name, line.kind, line.amount, line.gaps) for line in queries.gap_lines(gaps, most=most)]


def test_older_gaps_are_told_together_by_kind(cast: Cast) -> None:
    for amount, hours in ((7, 9), (23, 8), (1, 7), (1, 2), (1, 1)):
        gap(cast, "missed" if amount == 1 else "lost_rows", amount, hours=hours)
    one_by_one = [("shop-mysql", "missed", 1, 1)] * 3
    assert lines(5) == [*one_by_one, ("shop-mysql", "lost_rows", 23, 1), ("shop-mysql", "lost_rows", 7, 1)]
    assert lines(2) == [*one_by_one[:2], ("shop-mysql", "missed", 1, 1), ("shop-mysql", "lost_rows", 30, 2)]
    assert lines(0) == [("shop-mysql", "missed", 3, 3), ("shop-mysql", "lost_rows", 30, 2)]


def test_gaps_together_cover_all_of_their_time(cast: Cast) -> None:
    for hours in (9, 5, 3):
        gap(cast, "missed", 1, hours=hours)
    (line,) = queries.gap_lines(queries.gaps_between(gaps=Gap.objects.all(), since=None, until=None), most=0)
    known = sorted(Gap.objects.values_list("covered_from", "covered_to"))
    assert (line.covered_from, line.covered_to) == (known[0][0], known[-1][1])


def test_gaps_together_are_of_unknown_size_where_one_of_them_is(cast: Cast) -> None:
    gap(cast, "lost_rows", 7, hours=9)
    gap(cast, "lost_rows", None, hours=8)
    assert lines(0) == [("shop-mysql", "lost_rows", None, 2)]


def test_gaps_of_several_databases_are_told_together_without_a_name(cast: Cast) -> None:
    gap(cast, "lost_rows", 7, hours=9)
    gap(cast, "lost_rows", 5, hours=8, apart=True)
    assert lines(0) == [(None, "lost_rows", 12, 2)]


def test_gaps_too_large_to_be_added_up_are_told_still(cast: Cast) -> None:
    for hours in (9, 8):
        gap(cast, "lost_rows", 2**63 - 1, hours=hours)
    assert lines(0) == [("shop-mysql", "lost_rows", 2**64, 2)]


def test_totals_come_from_performance_schema_from_its_first_snapshot_on(cast: Cast) -> None:
    rows = [slow_query(age_seconds=0), slow_query(age_seconds=7200), slow_query(age_seconds=7200)]
    send(cast.collector, slow_log(0, 3, queries=rows))
    assert top(Cost.objects.all())[0]["sum_calls"] == 3
    send(cast.collector, digests(1, statement("shop:d", 100)))
    send(cast.collector, digests(2, statement("shop:d", 107)))
    found = {row["source"]: row["sum_calls"] for row in top(Cost.objects.all())}
    assert found == {"slow_log": 2, "performance_schema": 7}, "what ran before is known from the slow log alone"
    send(cast.collector, slow_log(3, 5, queries=[slow_query(age_seconds=0)] * 5))
    assert {row["source"]: row["sum_calls"] for row in top(Cost.objects.all())} == found
    assert sum(bucket.calls for bucket in Bucket.objects.filter(statement__source="slow_log")) == 8, "all stay stored"
    assert SlowQuery.objects.count() == 8


def test_the_slow_log_of_another_database_goes_on_counting(cast: Cast) -> None:
    send(cast.foreign_collector, slow_log(0, 4))
    send(cast.collector, digests(1, statement("shop:d", 100)))
    send(cast.foreign_collector, slow_log(4, 1))
    assert [(row["source"], row["sum_calls"]) for row in top(Cost.objects.all())] == [("slow_log", 5)]


def test_any_period_sums_up_to_its_buckets_whatever_is_rolled_up_and_whatever_came_late(cast: Cast) -> None:
    draw = random.Random(20261)
    now = timezone.now()

    def upload(position: int, collector: Any, oldest_hours: float) -> None:
        rows = [
            slow_query(age_seconds=draw.uniform(0, oldest_hours * 3600), database=draw.choice("ab"), query_time=0.5 + n)
            for n in range(60)
        ]
        send(collector, slow_log(position, 60, queries=rows))

    upload(0, cast.collector, 600)
    upload(0, cast.foreign_collector, 600)
    rollups.roll_up()
    assert Cost.objects.filter(resolution="day").exists()
    upload(60, cast.collector, 100)
    assert DirtyHour.objects.exists()
    widths: set[timedelta] = set()
    for turn in range(60):
        if turn == 30:
            rollups.roll_up()
            DirtyDay.objects.all().delete()
            upload(120, cast.collector, 30)
        longest = draw.choice((110, 610))
        since = now - timedelta(seconds=draw.uniform(0, longest * 3600))
        until = min(since + timedelta(seconds=draw.uniform(0, longest * 3600)), now + periods.BUCKET)
        widths |= {span.width for span in queries.spans_of(since=since, until=until)}
        assert summed(queries.top_fingerprints(costs=Cost.objects.all(), since=since, until=until)) == in_buckets(
            since, until
        )
    assert widths == {periods.BUCKET, periods.HOUR, periods.DAY, periods.WEEK}


def summed(rows: Any) -> dict[int, tuple[int, int]]:
    return {row["database_id"]: (row["sum_calls"], row["sum_time_ns"]) for row in rows}


def in_buckets(since: datetime, until: datetime) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for row in Bucket.objects.filter(started_at__gte=since, started_at__lt=until):
        calls, time = found.get(row.database_id, (0, 0))
        found[row.database_id] = (calls + row.calls, time + row.total_time_ns)
    return found


def test_what_both_sources_hold_counts_once_also_in_hours_and_days(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 3, queries=[slow_query(age_seconds=30 * 3600), slow_query(), slow_query()]))
    send(cast.collector, digests(1, statement("shop:" + "a" * 32, 5), age_seconds=20 * 3600))
    send(cast.collector, digests(2, statement("shop:" + "a" * 32, 9), age_seconds=16 * 3600))
    before = [(row["source"], row["sum_calls"]) for row in top(Cost.objects.all(), hours=60)]
    assert sorted(before) == [("performance_schema", 4), ("slow_log", 1)]
    rollups.roll_up()
    assert [(row["source"], row["sum_calls"]) for row in top(Cost.objects.all(), hours=60)] == before


def test_an_hour_that_was_rolled_up_before_performance_schema_was_read_is_made_anew(cast: Cast) -> None:
    at = periods.floor(timezone.now() - timedelta(hours=5), periods.HOUR) + timedelta(minutes=1)
    for position, minute in enumerate((0, 40)):
        age = (timezone.now() - at - timedelta(minutes=minute)).total_seconds()
        send(cast.collector, slow_log(position, 1, queries=[slow_query(age_seconds=age)]))
    rollups.roll_up()
    age = (timezone.now() - at - timedelta(minutes=20)).total_seconds()
    send(cast.collector, digests(1, statement("shop:" + "a" * 32, 5), age_seconds=age))
    assert [row["sum_calls"] for row in top(Cost.objects.all(), hours=60)] == [1]
    rollups.roll_up()
    assert [row["sum_calls"] for row in top(Cost.objects.all(), hours=60)] == [1]
