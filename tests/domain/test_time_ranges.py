"""Presets, chosen moments, and how finely a range is drawn."""

from datetime import UTC, datetime, timedelta

import pytest

from collectors.domain import periods, time_ranges
from collectors.domain.time_ranges import PRESETS, SHORTEST, TimeRange, between, preset, starts

NOW = datetime(2026, 3, 4, 12, 34, 56, tzinfo=UTC)
YEAR = timedelta(days=366)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_ends_now_and_is_drawn_in_neither_too_few_nor_too_many_slots(name: str) -> None:
    found = preset(name, now=NOW)
    assert (found.until, found.preset) == (NOW, name)
    begin_with = {"month": periods.DAY, "quarter": periods.WEEK}.get(name, timedelta(microseconds=1))
    assert found.since == periods.floor(NOW - PRESETS[name], begin_with)
    width = found.slot(most=100)
    assert 12 <= len(starts(found.since, found.until, width)) <= 101
    assert len(starts(found.since, found.until, found.slot(most=32))) <= 33


@pytest.mark.parametrize("name", ["", "century", "DAY"])
def test_an_unknown_preset_is_the_last_day(name: str) -> None:
    assert preset(name, now=NOW) == preset(time_ranges.DEFAULT, now=NOW)


def test_two_moments_are_taken_in_order_and_kept_within_bounds() -> None:
    found = between(NOW, NOW - 5 * HOUR, now=NOW, longest=YEAR)
    assert (found.since, found.until) == (NOW - 5 * HOUR, NOW)
    assert between(NOW - HOUR, NOW + HOUR, now=NOW, longest=YEAR).until == NOW
    assert between(NOW, NOW, now=NOW, longest=YEAR).length == SHORTEST
    assert between(NOW - 99 * YEAR, NOW, now=NOW, longest=YEAR).length == YEAR
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert between(first, first + HOUR, now=NOW, longest=YEAR).until.year == 1970
    assert between(NOW + 2 * HOUR, NOW + 3 * HOUR, now=NOW, longest=YEAR) == TimeRange(NOW - SHORTEST, NOW)


def test_ranges_before_after_and_around() -> None:
    found = TimeRange(NOW - 3 * HOUR, NOW - 2 * HOUR)
    assert found.before() == TimeRange(NOW - 4 * HOUR, NOW - 3 * HOUR)
    assert found.before(timedelta(days=1)).until == NOW - 26 * HOUR
    assert found.after(now=NOW) == TimeRange(NOW - 2 * HOUR, NOW - HOUR)
    assert found.after(now=NOW - 2 * HOUR) == found
    wider = found.wider(now=NOW)
    assert (wider.since, wider.until) == (NOW - 3.5 * HOUR, NOW - 1.5 * HOUR)
    assert TimeRange(NOW - HOUR, NOW).wider(now=NOW) == TimeRange(NOW - 2 * HOUR, NOW)


def test_slots_begin_where_stored_ones_do_and_cover_the_range() -> None:
    found = starts(NOW - HOUR, NOW, timedelta(minutes=15))
    assert [start.minute for start in found] == [30, 45, 0, 15, 30]
    assert found[0].second == 0
    assert starts(found[0], found[0] + HOUR, timedelta(minutes=15)) == found[:4]
