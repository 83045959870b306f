"""Whether numbers are up to date."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collectors.domain.freshness import data_until, is_fresh

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("heard", "spool", "seconds_ago"),
    [
        (NOW, {"data_age_seconds": 90}, 90),
        (NOW - timedelta(seconds=10), {"data_age_seconds": 90.0}, 100),
        (NOW, {"data_age_seconds": None}, None),
        (NOW, {}, None),
        (NOW, None, None),
        (None, {"data_age_seconds": 90}, None),
    ],
)
def test_data_reaches_to_the_newest_collection_of_which_nothing_waits(
    heard: datetime | None, spool: dict[str, Any] | None, seconds_ago: int | None
) -> None:
    expected = None if seconds_ago is None else NOW - timedelta(seconds=seconds_ago)
    assert data_until(heard, spool) == expected


@pytest.mark.parametrize(
    ("seconds", "minutes", "fresh"), [(0, 5, True), (660, 5, True), (661, 5, False), (180, 1, True), (181, 1, False)]
)
def test_data_is_fresh_for_two_intervals_and_a_minute(seconds: int, minutes: int, fresh: bool) -> None:
    assert is_fresh(NOW - timedelta(seconds=seconds), now=NOW, interval_minutes=minutes) is fresh


def test_data_that_never_came_is_not_fresh() -> None:
    assert is_fresh(None, now=NOW, interval_minutes=5) is False
