"""Queries per minute, from collectors' own totals."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from collectors.models import Heartbeat, QueryRate
from collectors.services import query_rates
from tests.cast import Cast


def collected(cast: Cast, at: datetime, total: int) -> None:
    """Let the agent have collected then, and measure."""
    Heartbeat.objects.filter(pk=cast.collector.pk).update(last_collection=at, queries_collected=total)
    query_rates.measure()


def rate_of(cast: Cast) -> QueryRate | None:
    return QueryRate.objects.filter(pk=cast.collector.pk).first()


def test_a_rate_is_what_was_collected_from_one_collection_to_another(cast: Cast) -> None:
    now = timezone.now()
    collected(cast, now - timedelta(minutes=10), 1_000)
    first = rate_of(cast)
    assert first
    assert (first.queries, first.per_minute, first.organization_id) == (1_000, None, cast.example.pk)

    collected(cast, now, 4_500)
    second = rate_of(cast)
    assert second
    assert second.per_minute == pytest.approx(350, rel=1e-6)
    assert (second.since, second.collected_at) == (first.collected_at, now)


def test_collections_that_follow_closely_are_taken_together(cast: Cast) -> None:
    now = timezone.now()
    for minutes, total in ((20, 0), (19, 700), (15, 1_000), (10, 2_000)):
        collected(cast, now - timedelta(minutes=minutes), total)
    rate = rate_of(cast)
    assert rate
    assert rate.per_minute == pytest.approx(200, rel=1e-6)


def test_without_a_new_collection_nothing_is_written(cast: Cast) -> None:
    now = timezone.now()
    collected(cast, now - timedelta(minutes=10), 1_000)
    collected(cast, now, 2_000)
    before = QueryRate.objects.values().get(pk=cast.collector.pk)
    assert query_rates.measure() == 0
    assert QueryRate.objects.values().get(pk=cast.collector.pk) == before


def test_who_never_collected_has_no_rate(cast: Cast) -> None:
    assert query_rates.measure() == 0
    assert not QueryRate.objects.exists()


def test_an_old_rate_says_nothing_of_now(cast: Cast) -> None:
    now = timezone.now()
    rate = QueryRate(per_minute=5.0, collected_at=now - timedelta(minutes=29))
    assert query_rates.per_minute(rate, now=now, interval_minutes=5) is None
    rate.collected_at = now - timedelta(minutes=28)
    assert query_rates.per_minute(rate, now=now, interval_minutes=5) == 5.0
    rate.collected_at = now - timedelta(hours=2)
    assert query_rates.per_minute(rate, now=now, interval_minutes=60) == 5.0
    assert query_rates.per_minute(None, now=now, interval_minutes=5) is None
    assert query_rates.per_minute(QueryRate(collected_at=now), now=now, interval_minutes=5) is None
