"""Buckets rolled up to hours, days and weeks: the same sums at every resolution, whoever writes or rolls up meanwhile."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import Max, Min, Sum
from django.utils import timezone

from collectors.domain import periods
from collectors.domain.counters import COUNTERS, Delta
from collectors.domain.sources import Source
from collectors.models import Bucket, Cost, DirtyDay, DirtyHour, DirtyWeek, Latency, MonitoredDatabase
from collectors.models.buckets import Resolution
from collectors.services import latencies, ledger, queries, rollups, storage
from tests.cast import Cast
from tests.services.uploading import send, slow_log, slow_query, snapshot, statement
from tests.threads import at_once

pytestmark = pytest.mark.django_db
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
# In a week that has ended, whatever day it is.
NOON = periods.floor(timezone.now(), periods.WEEK) - timedelta(days=5) + timedelta(hours=12)


def add(database: MonitoredDatabase, at: datetime, calls: int = 1, key: str = "a", nanoseconds: int = 10) -> None:
    """Add executions as an upload does, in a transaction of its own."""
    facts = ledger.StatementFacts(digest=key)
    with transaction.atomic():
        ids = ledger.statement_ids(database, Source.SLOW_LOG, {key: facts})
        additions = ledger.BucketAdditions(database)
        for _ in range(calls):
            delta = Delta(1, nanoseconds, 2, nanoseconds, nanoseconds, {"rows_examined": 3})
            additions.add_execution(ids[key], at, delta)
        additions.write()


def calls(resolution: Resolution, database: MonitoredDatabase | None = None) -> int:
    rows = Cost.objects.filter(resolution=resolution)
    if database is not None:
        rows = rows.filter(database=database)
    return rows.aggregate(calls=Sum("calls"))["calls"] or 0


def sums(resolution: Resolution) -> dict[int, dict[str, Any]]:
    """Everything a resolution says of each statement."""
    names = ("calls", "total_time_ns", "rows", *COUNTERS)
    rows = Cost.objects.filter(resolution=resolution).order_by().values("statement_id")
    found = rows.annotate(
        low=Min("min_time_ns"), high=Max("max_time_ns"), **{f"sum_{name}": Sum(name) for name in names}
    )
    return {row["statement_id"]: dict(row) for row in found}


@pytest.fixture(autouse=True)
def empty_tables(db: None) -> Iterator[None]:
    """Nothing empties tables that Django does not manage after a test with real transactions."""
    forget_everything()
    yield
    forget_everything()


def forget_everything() -> None:
    with connection.cursor() as cursor:
        for table in storage.TABLES:
            cursor.execute(f"DELETE FROM {table.name}")


@pytest.fixture
def database(cast: Cast) -> MonitoredDatabase:
    """A database whose slow log is read."""
    return cast.collector.database


def test_hours_days_and_weeks_say_what_the_buckets_say(cast: Cast, database: MonitoredDatabase) -> None:
    for hour in range(30):
        for minute in (0, 4, 5, 59):
            at = NOON + timedelta(hours=hour, minutes=minute)
            add(database, at, calls=hour % 3 + 1, key="ab"[hour % 2], nanoseconds=1_000 * hour + minute)
    assert rollups.roll_up() == 30 + 2 + 1
    assert sums(Resolution.BUCKET) == sums(Resolution.HOUR) == sums(Resolution.DAY) == sums(Resolution.WEEK)
    assert Cost.objects.filter(resolution=Resolution.HOUR).count() == 30
    assert Cost.objects.filter(resolution=Resolution.DAY).count() == 4
    assert Cost.objects.filter(resolution=Resolution.WEEK).count() == 2
    for resolution in (Resolution.BUCKET, Resolution.HOUR, Resolution.DAY):
        merged = latencies.merge(Latency.objects.filter(resolution=resolution).values_list("sketch", flat=True))
        assert merged.count == calls(Resolution.BUCKET) == 240
    assert not [level for level in rollups.LEVELS if level.marks.objects.exists()]


def test_counters_that_an_engine_does_not_have_stay_unknown(cast: Cast) -> None:
    send(cast.warehouse_collector, snapshot(1))
    send(
        cast.warehouse_collector,
        snapshot(2, statement("a", 5, counters={"shared_blks_hit": 7}), age_seconds=0, interval_seconds=60),
    )
    Bucket.objects.update(started_at=NOON)
    DirtyHour.objects.update(started_at=NOON)
    rollups.roll_up()
    hour = Cost.objects.get(resolution=Resolution.WEEK)
    assert (hour.calls, hour.shared_blks_hit, hour.rows_examined, hour.min_time_ns) == (5, 7, None, None)
    assert not Latency.objects.exists()


def test_rolling_up_twice_changes_nothing(database: MonitoredDatabase) -> None:
    add(database, NOON, calls=3)
    assert rollups.roll_up() == 3
    rollups.mark(database=database, level=rollups.HOURS, changed=[NOON])
    assert rollups.roll_up() == 3
    assert rollups.roll_up() == 0
    assert [calls(resolution) for resolution in Resolution] == [3, 3, 3, 3]


def test_a_late_row_is_rolled_up_too(database: MonitoredDatabase) -> None:
    add(database, NOON, calls=3)
    rollups.roll_up()
    add(database, NOON + timedelta(minutes=20), calls=2, nanoseconds=70)
    assert calls(Resolution.HOUR) == 3
    assert DirtyHour.objects.get().started_at == NOON
    rollups.roll_up()
    assert [calls(resolution) for resolution in Resolution] == [5, 5, 5, 5]
    assert Cost.objects.get(resolution=Resolution.WEEK).max_time_ns == 70


def test_an_hour_that_has_not_ended_waits(database: MonitoredDatabase) -> None:
    add(database, timezone.now())
    assert rollups.roll_up() == 0
    assert DirtyHour.objects.count() == 1


def test_a_bucket_and_its_mark_are_written_together_or_not_at_all(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(rollups, "mark", fail)
    with pytest.raises(RuntimeError):
        send(cast.collector, slow_log(0, 1))
    monkeypatch.undo()
    assert not Bucket.objects.exists()
    assert not Latency.objects.exists()
    send(cast.collector, slow_log(0, 1))
    assert DirtyHour.objects.get().started_at == periods.floor(Bucket.objects.get().started_at, periods.HOUR)


def test_databases_are_rolled_up_apart(cast: Cast, database: MonitoredDatabase) -> None:
    add(database, NOON, calls=2)
    add(cast.foreign_collector.database, NOON, calls=5)
    rollups.roll_up()
    assert calls(Resolution.DAY, database) == 2
    assert calls(Resolution.DAY, cast.foreign_collector.database) == 5
    foreign = Cost.objects.get(resolution=Resolution.HOUR, database=cast.foreign_collector.database)
    assert foreign.organization_id == cast.sample.pk


def test_one_hour_that_fails_keeps_no_other_from_being_done(
    database: MonitoredDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, NOON, calls=2)
    add(database, NOON + periods.DAY, calls=3)
    replace = latencies.replace

    def fail(*, start: datetime, **rest: Any) -> None:
        if start == NOON:
            raise DatabaseError("out of range")
        replace(start=start, **rest)

    monkeypatch.setattr(latencies, "replace", fail)
    assert rollups.roll_up() == 2
    # Their week waits for both.
    assert (calls(Resolution.HOUR), calls(Resolution.DAY), calls(Resolution.WEEK)) == (3, 3, 0)
    assert DirtyHour.objects.get().started_at == NOON
    monkeypatch.undo()
    assert rollups.roll_up() == 3
    assert [calls(resolution) for resolution in Resolution] == [5, 5, 5, 5]


def test_a_day_waits_for_all_its_hours(database: MonitoredDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    add(database, NOON, calls=2)
    rollups.roll_up()
    rollups.mark(database=database, level=rollups.DAYS, changed=[NOON])
    add(database, NOON + periods.HOUR)
    monkeypatch.setattr(latencies, "replace", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rollups.roll_up()
    monkeypatch.undo()
    assert not rollups._roll_up(rollups.DAYS, database.pk, periods.floor(NOON, periods.DAY))
    assert DirtyDay.objects.exists()
    assert calls(Resolution.DAY) == 2


def test_a_week_that_fails_halfway_keeps_its_numbers_and_is_made_anew(
    database: MonitoredDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, NOON, calls=2)
    rollups.roll_up()
    add(database, NOON + periods.DAY, calls=3)
    replace = rollups._replace

    def dying(level: rollups.Level, *rest: Any) -> None:
        replace(level, *rest)
        if level is rollups.WEEKS:
            raise DatabaseError("connection lost")

    monkeypatch.setattr(rollups, "_replace", dying)
    assert rollups.roll_up() == 2
    assert (calls(Resolution.DAY), calls(Resolution.WEEK), DirtyWeek.objects.count()) == (5, 2, 1)
    monkeypatch.undo()
    assert rollups.roll_up() == 1
    assert (calls(Resolution.WEEK), DirtyWeek.objects.count()) == (5, 0)


def test_a_week_that_has_not_ended_waits(database: MonitoredDatabase) -> None:
    add(database, timezone.now() - periods.DAY)
    rollups.mark(database=database, level=rollups.WEEKS, changed=[timezone.now()])
    rollups.roll_up()
    assert DirtyWeek.objects.filter(started_at=periods.floor(timezone.now(), periods.WEEK)).exists()


def test_an_installation_of_before_reads_days_until_its_weeks_are_made(database: MonitoredDatabase) -> None:
    late = NOON - 3 * periods.WEEK
    for at in (NOON, late):
        add(database, at, calls=2)
    rollups.roll_up()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM query_weeks")
    import_module("collectors.migrations.0024_weeks").mark_all(connection)
    now = timezone.now()
    weeks = [periods.floor(at, periods.WEEK) for at in (late, NOON, now, now + periods.WEEK)]
    assert list(DirtyWeek.objects.order_by("started_at").values_list("started_at", flat=True)) == weeks
    since = periods.floor(late, periods.WEEK)

    def read() -> int:
        found = queries.in_period(Cost.objects.all(), since=since, until=now).aggregate(calls=Sum("calls"))
        return int(found["calls"])

    assert read() == 4
    add(database, NOON - 2 * periods.WEEK, calls=5)
    assert read() == 9
    rollups.roll_up()
    assert (read(), calls(Resolution.WEEK)) == (9, 9)
    assert periods.WEEK in {span.width for span in queries.spans_of(since=since, until=now)}


@pytest.mark.django_db(transaction=True)
def test_workers_and_writers_at_once_lose_and_double_nothing(database: MonitoredDatabase) -> None:
    hours = [NOON + timedelta(hours=hour) for hour in range(3)]

    def write(number: int) -> Callable[[], int]:
        def run() -> int:
            for turn in range(12):
                at = hours[(number + turn) % 3] + timedelta(minutes=5 * (turn % 12))
                add(database, at, key="abc"[number % 3])
            return 12

        return run

    def work() -> int:
        return sum(rollups.roll_up() for _ in range(12))

    results = at_once(*[write(number) for number in range(4)], work, work)
    assert not [result for result in results if isinstance(result, Exception)], results
    rollups.roll_up()
    assert sums(Resolution.BUCKET) == sums(Resolution.HOUR) == sums(Resolution.DAY) == sums(Resolution.WEEK)
    assert calls(Resolution.DAY) == 4 * 12
    merged = latencies.merge(Latency.objects.filter(resolution=Resolution.DAY).values_list("sketch", flat=True))
    assert merged.count == 4 * 12


class Stages:
    """Lets one thread stop at a place until another has gone on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def stop(self) -> None:
        self.reached.set()
        assert self.go_on.wait(20)


@pytest.fixture
def stages() -> Iterator[Stages]:
    """A place to stop at, left at the end of the test whatever happens."""
    stages = Stages()
    yield stages
    stages.go_on.set()


def in_thread(act: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(cursor.fetchone()[0])


def until(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        waiting.wait(0.01)
    pytest.fail("nothing happened for 20 seconds")


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_row_written_while_its_hour_is_being_rolled_up_is_not_lost(
    database: MonitoredDatabase, stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, NOON, calls=1)
    replace = rollups._replace

    def stopping(level: rollups.Level, *rest: Any) -> None:
        replace(level, *rest)
        if level is rollups.HOURS:
            stages.stop()

    monkeypatch.setattr(rollups, "_replace", stopping)
    worker = in_thread(rollups.roll_up)
    assert stages.reached.wait(20)
    # The hour's sums were read and its mark taken away, neither committed: the writer has to wait at the mark.
    writer = in_thread(lambda: add(database, NOON + timedelta(minutes=10), calls=2))
    until(somebody_waits_for_a_lock)
    stages.go_on.set()
    worker.join()
    writer.join()
    assert DirtyHour.objects.count() == 1
    rollups.roll_up()
    assert [calls(resolution) for resolution in Resolution] == [3, 3, 3, 3]


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_roll_up_waits_for_a_row_whose_transaction_has_not_ended(database: MonitoredDatabase, stages: Stages) -> None:
    add(database, NOON, calls=1)

    def write() -> None:
        with transaction.atomic():
            add(database, NOON, calls=2)
            stages.stop()

    writer = in_thread(write)
    assert stages.reached.wait(20)
    worker = in_thread(rollups.roll_up)
    until(somebody_waits_for_a_lock)
    stages.go_on.set()
    writer.join()
    worker.join()
    assert [calls(resolution) for resolution in Resolution] == [3, 3, 3, 3]
    assert not DirtyHour.objects.exists()


@on_postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("finer", "coarser"), [(rollups.HOURS, rollups.DAYS), (rollups.DAYS, rollups.WEEKS)])
def test_two_slots_of_a_coarser_one_rolled_up_at_once_are_both_in_it(
    finer: rollups.Level,
    coarser: rollups.Level,
    database: MonitoredDatabase,
    stages: Stages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The day is being rolled up while another worker finishes one more of its hours; and so a week while a day."""
    add(database, NOON, calls=1)
    replace = rollups._replace

    def stopping(level: rollups.Level, *rest: Any) -> None:
        replace(level, *rest)
        if level is coarser:
            stages.stop()

    monkeypatch.setattr(rollups, "_replace", stopping)
    worker = in_thread(rollups.roll_up)
    assert stages.reached.wait(20)
    late = NOON + finer.width
    add(database, late, calls=4)

    def finish() -> None:
        for level in rollups.LEVELS[: rollups.LEVELS.index(coarser)]:
            rollups._roll_up(level, database.pk, periods.floor(late, level.width))

    other = in_thread(finish)
    until(somebody_waits_for_a_lock)
    monkeypatch.undo()
    stages.go_on.set()
    worker.join()
    other.join()
    assert coarser.marks.objects.count() == 1
    rollups.roll_up()
    assert [calls(resolution) for resolution in Resolution] == [5, 5, 5, 5]


@pytest.mark.django_db(transaction=True)
def test_sketches_of_one_bucket_written_at_once_hold_every_execution(cast: Cast) -> None:
    def upload(generation: str) -> Callable[[], Any]:
        rows = [slow_query(age_seconds=3600.0, query_time=0.5 + number) for number in range(10)]
        return lambda: send(cast.collector, slow_log(0, 10, generation=generation * 64, queries=rows))

    results = at_once(*[upload(letter) for letter in "abcdef"])
    assert not [result for result in results if isinstance(result, Exception)], results
    merged = latencies.merge(Latency.objects.values_list("sketch", flat=True))
    assert merged.count == sum(Bucket.objects.values_list("calls", flat=True)) == 60
