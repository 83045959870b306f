"""Load over time, in slots of any width."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from collectors.domain import periods
from collectors.models import Bucket, Cost, Statement
from collectors.services import rollups, series
from tests.cast import Cast

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def bucket(cast: Cast, at: datetime, calls: int, *, statement: int = 1, foreign: bool = False) -> None:
    database = cast.foreign_collector.database if foreign else cast.collector.database
    Statement.objects.get_or_create(
        pk=statement, organization_id=database.organization_id, database=database, source="slow_log", key=str(statement)
    )
    Bucket.objects.create(
        organization_id=database.organization_id,
        database=database,
        statement_id=statement,
        started_at=at,
        calls=calls,
        total_time_ns=1_000 * calls,
        rows=0,
        rows_examined=None if statement == 2 else calls,
    )
    rollups.mark(database=database, level=rollups.HOURS, changed=[at])


@pytest.fixture
def noon() -> datetime:
    """The beginning of a day that is over."""
    return periods.floor(timezone.now(), periods.DAY) - timedelta(days=2)


@pytest.mark.parametrize("rolled_up", [False, True], ids=["in buckets", "rolled up"])
def test_slots_add_up_to_the_buckets_in_them_whatever_is_rolled_up(rolled_up: bool, cast: Cast, noon: datetime) -> None:
    for minutes in (0, 5, 14, 60, 65, 200):
        bucket(cast, periods.floor(noon + minutes * MINUTE, periods.BUCKET), calls=1 + minutes)
    if rolled_up:
        rollups.roll_up()

    def calls(width: timedelta, length: timedelta) -> list[int | None]:
        found = series.by_slot(costs=Cost.objects.all(), since=noon, until=noon + length, width=width)
        return [slot["calls"] for slot in found[()]]

    assert calls(15 * MINUTE, 45 * MINUTE) == [22, 0, 0]
    assert calls(60 * MINUTE, 240 * MINUTE) == [22, 127, 0, 201]
    assert calls(180 * MINUTE, 360 * MINUTE) == [149, 201]
    assert calls(timedelta(days=1), timedelta(days=1)) == [350]


def test_series_are_kept_apart_by_any_lookup(cast: Cast, noon: datetime) -> None:
    bucket(cast, noon, 3)
    bucket(cast, noon + 5 * MINUTE, 4)
    bucket(cast, noon, 5, foreign=True, statement=2)
    found = series.by_slot(
        costs=Cost.objects.all(),
        since=noon,
        until=noon + 10 * MINUTE,
        width=5 * MINUTE,
        sums=("calls", "rows_examined"),
        apart=("database_id",),
    )
    assert found == {
        (cast.collector.database_id,): [{"calls": 3, "rows_examined": 3}, {"calls": 4, "rows_examined": 4}],
        (cast.foreign_collector.database_id,): [{"calls": 5, "rows_examined": None}, {"calls": 0, "rows_examined": 0}],
    }


def test_the_first_slot_is_read_whole(cast: Cast, noon: datetime) -> None:
    bucket(cast, noon, 3)
    found = series.by_slot(
        costs=Cost.objects.all(), since=noon + 20 * MINUTE, until=noon + 70 * MINUTE, width=60 * MINUTE
    )
    assert [slot["calls"] for slot in found[()]] == [3, 0]


def test_a_period_without_rows_is_a_row_of_zeros(cast: Cast, noon: datetime) -> None:
    found = series.by_slot(costs=Cost.objects.all(), since=noon, until=noon + 30 * MINUTE, width=15 * MINUTE)
    assert found == {(): [{"calls": 0, "total_time_ns": 0}] * 2}


def test_numbers_that_are_kept_by_the_day_alone_stand_in_the_slot_they_begin_in(cast: Cast) -> None:
    day = periods.floor(timezone.now(), periods.DAY) - timedelta(days=500)
    bucket(cast, day + timedelta(hours=5), 7)
    rollups.roll_up()
    Bucket.objects.all().delete()
    found = series.by_slot(
        costs=Cost.objects.all(), since=day + timedelta(hours=6), until=day + timedelta(hours=12), width=60 * MINUTE
    )
    assert sum(slot["calls"] or 0 for slot in found[()]) == 7
