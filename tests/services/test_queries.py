"""What statements cost over a period."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from collectors.models import Bucket, Gap, SlowQuery
from collectors.services import queries
from tests.cast import Cast
from tests.services.uploading import digests, send, slow_log, slow_query, snapshot, statement

pytestmark = pytest.mark.django_db


def top(buckets: QuerySet[Bucket], hours: float = 24) -> list[dict[str, Any]]:
    now = timezone.now() + timedelta(minutes=1)
    return list(queries.top_fingerprints(buckets=buckets, since=now - timedelta(hours=hours), until=now))


def test_statements_of_one_text_are_one_row_per_database_dearest_first(cast: Cast) -> None:
    cheap: dict[str, Any] = {"fingerprint_id": "1" * 16, "fingerprint": "cheap", "query_time": 0.1}
    rows = [slow_query(database="a"), slow_query(database="b", query_time=1.5), slow_query(**cheap)]
    send(cast.collector, slow_log(0, 3, queries=rows))
    found = top(Bucket.objects.all())
    assert [(row["fingerprint"], row["sum_calls"], row["sum_time_ns"]) for row in found] == [
        ("select ?", 2, 2_000_000_000),
        ("cheap", 1, 100_000_000),
    ]
    assert (found[0]["least_time_ns"], found[0]["greatest_time_ns"]) == (500_000_000, 1_500_000_000)
    assert found[0]["database_name"] == "shop-mysql"


def test_statements_whose_text_is_not_here_stay_apart(cast: Cast) -> None:
    send(cast.warehouse_collector, snapshot(1))
    send(cast.warehouse_collector, snapshot(2, statement("a", 5), statement("b", 7)))
    found = top(Bucket.objects.all())
    assert [(row["fingerprint"], row["sum_calls"]) for row in found] == [(None, 7), (None, 5)]


def test_only_the_period_counts(cast: Cast) -> None:
    send(cast.collector, slow_log(0, 2, queries=[slow_query(), slow_query(age_seconds=7200)]))
    assert top(Bucket.objects.all(), hours=1)[0]["sum_calls"] == 1
    assert top(Bucket.objects.all(), hours=3)[0]["sum_calls"] == 2


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


def test_totals_come_from_performance_schema_from_its_first_snapshot_on(cast: Cast) -> None:
    rows = [slow_query(age_seconds=0), slow_query(age_seconds=7200), slow_query(age_seconds=7200)]
    send(cast.collector, slow_log(0, 3, queries=rows))
    assert top(Bucket.objects.all())[0]["sum_calls"] == 3
    send(cast.collector, digests(1, statement("shop:d", 100)))
    send(cast.collector, digests(2, statement("shop:d", 107)))
    found = {row["source"]: row["sum_calls"] for row in top(Bucket.objects.all())}
    assert found == {"slow_log": 2, "performance_schema": 7}, "what ran before is known from the slow log alone"
    send(cast.collector, slow_log(3, 5, queries=[slow_query(age_seconds=0)] * 5))
    assert {row["source"]: row["sum_calls"] for row in top(Bucket.objects.all())} == found
    assert sum(bucket.calls for bucket in Bucket.objects.filter(statement__source="slow_log")) == 8, "all stay stored"
    assert SlowQuery.objects.count() == 8


def test_the_slow_log_of_another_database_goes_on_counting(cast: Cast) -> None:
    send(cast.foreign_collector, slow_log(0, 4))
    send(cast.collector, digests(1, statement("shop:d", 100)))
    send(cast.foreign_collector, slow_log(4, 1))
    assert [(row["source"], row["sum_calls"]) for row in top(Bucket.objects.all())] == [("slow_log", 5)]
