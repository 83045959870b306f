"""How a period is read: in the widest slots that are finished, each bucket once."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collectors.domain import periods
from collectors.domain.periods import BUCKET, DAY, HOUR, Span, ceil, floor, spans

MIDNIGHT = datetime(2026, 3, 4, tzinfo=UTC)
MOMENTS = st.integers(0, 4 * 86_400).map(lambda seconds: MIDNIGHT + timedelta(seconds=seconds))
HOURS = st.sets(st.integers(0, 95).map(lambda hour: MIDNIGHT + hour * HOUR), max_size=10)
DAYS = st.sets(st.integers(0, 3).map(lambda day: MIDNIGHT + day * DAY), max_size=2)


def read(since: datetime, until: datetime, hours: set[datetime] | None = None) -> list[Span]:
    return spans(since, until, unfinished={HOUR: hours or set()})


def test_whole_days_are_read_as_days_and_the_edges_as_hours_and_buckets() -> None:
    since, until = MIDNIGHT + timedelta(hours=22, minutes=50), MIDNIGHT + timedelta(days=3, hours=1, minutes=7)
    assert read(since, until) == [
        Span(BUCKET, since, MIDNIGHT + 23 * HOUR),
        Span(HOUR, MIDNIGHT + 23 * HOUR, MIDNIGHT + DAY),
        Span(DAY, MIDNIGHT + DAY, MIDNIGHT + 3 * DAY),
        Span(HOUR, MIDNIGHT + 3 * DAY, MIDNIGHT + 3 * DAY + HOUR),
        Span(BUCKET, MIDNIGHT + 3 * DAY + HOUR, MIDNIGHT + 3 * DAY + HOUR + 2 * BUCKET),
    ]


def test_an_hour_that_is_not_rolled_up_is_read_as_buckets_and_its_day_as_hours() -> None:
    noon = MIDNIGHT + 12 * HOUR
    assert read(MIDNIGHT, MIDNIGHT + 2 * DAY, {noon}) == [
        Span(HOUR, MIDNIGHT, noon),
        Span(BUCKET, noon, noon + HOUR),
        Span(HOUR, noon + HOUR, MIDNIGHT + DAY),
        Span(DAY, MIDNIGHT + DAY, MIDNIGHT + 2 * DAY),
    ]


def test_a_period_without_a_bucket_is_read_nowhere() -> None:
    assert read(MIDNIGHT + timedelta(seconds=1), MIDNIGHT + timedelta(seconds=299)) == []


@given(MOMENTS, MOMENTS, HOURS, DAYS)
def test_every_bucket_that_begins_in_the_period_is_read_once_and_nothing_unfinished_is(
    since: datetime, until: datetime, hours: set[datetime], days: set[datetime]
) -> None:
    found = spans(since, until, unfinished={HOUR: hours, DAY: days})
    assert all(earlier.until == later.since for earlier, later in pairwise(found))
    assert all(earlier.width != later.width for earlier, later in pairwise(found))
    if found:
        assert (found[0].since, found[-1].until) == (ceil(since, BUCKET), ceil(until, BUCKET))
    else:
        assert ceil(since, BUCKET) >= ceil(until, BUCKET)
    for span in found:
        assert floor(span.since, span.width) == span.since
        assert floor(span.until, span.width) == span.until
        if span.width == HOUR:
            assert not [hour for hour in hours if span.since <= hour < span.until]
        if span.width == DAY:
            assert not [slot for slot in (*hours, *days) if span.since <= slot < span.until]


def test_slots_are_found_in_both_directions() -> None:
    moment = MIDNIGHT + timedelta(hours=5, minutes=7)
    assert (periods.floor(moment, HOUR), periods.ceil(moment, HOUR)) == (MIDNIGHT + 5 * HOUR, MIDNIGHT + 6 * HOUR)
    assert periods.ceil(MIDNIGHT, DAY) == periods.floor(MIDNIGHT, DAY) == MIDNIGHT
