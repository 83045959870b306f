"""What whole databases cost: the same as their statements at every resolution, each call once, also while an upgrade goes on."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from collectors.domain import limits, periods
from collectors.models import Bucket, ControlPlane, Cost, DatabaseCost, MonitoredDatabase
from collectors.models.buckets import Resolution
from collectors.services import queries, rollups, series
from tests.cast import Cast
from tests.services.test_rollups import NOON, add, empty_tables

pytestmark = pytest.mark.django_db
__all__ = ["empty_tables"]
Totals = dict[tuple[int, str], tuple[int, int]]


@pytest.fixture
def database(cast: Cast) -> MonitoredDatabase:
    """A database whose slow log is read."""
    return cast.collector.database


def told(model: type[Cost | DatabaseCost]) -> Totals:
    """Calls and time of each database in each resolution."""
    rows = model._default_manager.order_by().values_list("database_id", "resolution")
    found = rows.annotate(Sum("calls"), Sum("total_time_ns"))
    return {(key, resolution): (calls, time) for key, resolution, calls, time in found}


def test_databases_cost_what_their_statements_cost_in_every_slot(cast: Cast, database: MonitoredDatabase) -> None:
    for hour in range(30):
        add(database, NOON + timedelta(hours=hour), calls=hour % 3 + 1, key="ab"[hour % 2], nanoseconds=1_000 * hour)
    add(cast.foreign_collector.database, NOON, calls=5)
    rollups.roll_up()
    assert told(DatabaseCost) == told(Cost)
    assert len(told(Cost)) == 2 * len(Resolution)
    foreign = DatabaseCost.objects.get(database=cast.foreign_collector.database, resolution=Resolution.WEEK)
    assert (foreign.organization_id, foreign.calls, foreign.statement_id) == (cast.sample.pk, 5, None)


def test_late_rows_and_repeated_roll_ups_are_in_the_totals_once(database: MonitoredDatabase) -> None:
    add(database, NOON, calls=3)
    rollups.roll_up()
    add(database, NOON + timedelta(minutes=20), calls=2, key="b")
    rollups.roll_up()
    rollups.mark(database=database, level=rollups.HOURS, changed=[NOON])
    rollups.roll_up()
    assert told(DatabaseCost) == told(Cost)
    assert {calls for calls, _ in told(DatabaseCost).values()} == {5}


def test_a_slot_of_which_nothing_is_left_leaves_no_total(database: MonitoredDatabase) -> None:
    add(database, NOON, calls=3)
    rollups.roll_up()
    Bucket.objects.all()._raw_delete("default")
    rollups.mark(database=database, level=rollups.HOURS, changed=[NOON])
    rollups.roll_up()
    assert told(DatabaseCost) == told(Cost) == {}


def test_what_two_sources_count_is_in_the_totals_once(database: MonitoredDatabase) -> None:
    add(database, NOON, calls=3)
    add(database, NOON + periods.HOUR, calls=4)
    MonitoredDatabase.objects.filter(pk=database.pk).update(digests_since=NOON + periods.HOUR)
    for _ in range(2):
        rows = queries.in_period(DatabaseCost.objects.all(), since=NOON, until=NOON + periods.DAY)
        assert queries.counted_once(rows, since=NOON).aggregate(calls=Sum("calls"))["calls"] == 3
        rollups.roll_up()


def test_totals_are_not_read_before_they_are_whole(database: MonitoredDatabase) -> None:
    add(database, NOON, calls=3)
    rollups.roll_up()
    with connection.cursor() as cursor:
        # As a worker of the version before leaves it.
        cursor.execute("DELETE FROM database_hours")
    ControlPlane.objects.update_or_create(id=1, defaults={"totals_since": None})
    import_module("collectors.migrations.0025_database_totals").begin(connection)
    begin = ControlPlane.objects.get().totals_since
    assert begin is not None
    assert periods.DAY < begin - timezone.now() <= 2 * periods.DAY

    def calls(since: timedelta) -> int | None:
        rows = queries.of_databases(costs=Cost.objects.all(), totals=DatabaseCost.objects.all(), since=NOON + since)
        slots = series.by_slot(costs=rows, since=NOON, until=NOON + periods.HOUR, width=periods.HOUR)[()]
        return slots[0]["calls"]

    assert calls(since=timedelta(0)) == 3
    ControlPlane.objects.update(totals_since=NOON + periods.HOUR)
    assert calls(since=timedelta(0)) == 3
    # From its beginning on they are what is read.
    assert calls(since=periods.HOUR) == 0


def test_a_new_installation_reads_totals_at_once() -> None:
    ControlPlane.objects.update_or_create(id=1, defaults={"totals_since": None})
    import_module("collectors.migrations.0025_database_totals").begin(connection)
    assert ControlPlane.objects.get().totals_since is None


def test_numbers_beyond_every_column_hold_up_no_roll_up(database: MonitoredDatabase) -> None:
    for minutes in (0, 20):
        for key in "ab":
            add(database, NOON + timedelta(minutes=minutes), key=key, nanoseconds=limits.MAX_COUNTER - 1)
    assert rollups.roll_up() == 3
    week = DatabaseCost.objects.get(resolution=Resolution.WEEK)
    assert (week.calls, week.total_time_ns) == (4, limits.MAX_COUNTER)
    assert not [level for level in rollups.LEVELS if level.marks.objects.exists()]
