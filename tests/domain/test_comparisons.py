"""What became of a row since an earlier period."""

from datetime import UTC, datetime, timedelta

import pytest

from collectors.domain import comparisons
from collectors.domain.comparisons import Change, Earlier
from collectors.domain.time_ranges import TimeRange

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = 1_000_000_000


def of(length: timedelta) -> TimeRange:
    return TimeRange(NOW - length, NOW)


@pytest.mark.parametrize(
    ("now", "before", "change"),
    [
        (5 * SECOND, None, Change.NEW),
        (None, 5 * SECOND, Change.GONE),
        (125 * SECOND, 100 * SECOND, Change.WORSE),
        (124 * SECOND, 100 * SECOND, Change.SAME),
        (80 * SECOND, 100 * SECOND, Change.BETTER),
        (81 * SECOND, 100 * SECOND, Change.SAME),
        # Ten times as much, and less than a thousandth of a session.
        (4 * SECOND - 1, SECOND // 2, Change.SAME),
        (4 * SECOND, SECOND // 4, Change.WORSE),
        (0, 0, Change.SAME),
        (4 * SECOND, 0, Change.WORSE),
    ],
)
def test_a_row_is_judged_by_its_total_time(now: int | None, before: int | None, change: Change) -> None:
    assert comparisons.judged(now, before, length=HOUR) is change


def test_the_least_change_grows_with_the_period() -> None:
    assert comparisons.judged(10 * SECOND, SECOND, length=HOUR) is Change.WORSE
    assert comparisons.judged(10 * SECOND, SECOND, length=24 * HOUR) is Change.SAME


def test_the_earlier_period_is_as_long_and_over_when_the_period_begins() -> None:
    day = of(24 * HOUR)
    assert comparisons.earlier(day, "previous") == TimeRange(NOW - 48 * HOUR, NOW - 24 * HOUR)
    assert comparisons.earlier(of(HOUR), "day") == TimeRange(NOW - 25 * HOUR, NOW - 24 * HOUR)
    assert comparisons.earlier(of(HOUR), "week") == TimeRange(NOW - 169 * HOUR, NOW - 168 * HOUR)
    assert comparisons.earlier(day, "") is comparisons.earlier(day, "no such") is None


def test_a_period_is_not_compared_with_one_that_it_touches() -> None:
    assert comparisons.offered(of(30 * HOUR)) == [Earlier.PREVIOUS, Earlier.WEEK]
    assert comparisons.earlier(of(30 * HOUR), "day") is None
    assert comparisons.offered(of(8 * 24 * HOUR)) == [Earlier.PREVIOUS]
