"""Heartbeats: one statement when nothing but numbers changes, the same outcome by the other path."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.forms.models import model_to_dict
from django.utils import timezone

from collectors.domain.commands import CommandState, CommandType
from collectors.domain.heartbeats import Report
from collectors.domain.keys import digest_of, generate_key, mark_of
from collectors.domain.liveness import Cause, Status
from collectors.domain.sources import Engine
from collectors.models import Collector, Command, Heartbeat, StatusChange
from collectors.services import beat_sql, heartbeats
from collectors.services.collectors import change_collector, delete_collector, rotate_key
from collectors.services.commands import request_command
from collectors.services.errors import KeyRefused
from tests.cast import SOMEBODY, Cast, register
from tests.threads import at_once

pytestmark = pytest.mark.django_db

FIRST = "a" * 32
SECOND = "b" * 32
PLAIN = Report(instance=FIRST, version="0.1", queries_collected=0, errors_count=0, auto_collect=True)


def beat(cast: Cast, report: Report = PLAIN, key: str = "") -> heartbeats.Answer:
    return heartbeats.record(collector_id=cast.collector.pk, key_digest=digest_of(key or cast.key), report=report)


def row(cast: Cast) -> Heartbeat:
    return Heartbeat.objects.get(pk=cast.collector.pk)


def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beat_sql, "write", lambda **_: None)


def test_the_first_heartbeat_makes_a_collector_online_and_gives_it_an_epoch(cast: Cast) -> None:
    answer = beat(cast)
    assert row(cast).status == Status.ONLINE
    assert answer.epoch == row(cast).epoch == 1
    assert answer.commands == []
    last = row(cast).last_heartbeat
    assert last is not None
    assert abs(timezone.now() - last) < timedelta(seconds=5)
    change = StatusChange.objects.filter(collector=cast.collector).latest("pk")
    assert (change.old_status, change.new_status, change.cause) == ("STARTING", "ONLINE", Cause.HEARTBEAT)


def test_a_heartbeat_in_the_steady_state_is_one_statement(cast: Cast, django_assert_num_queries: Any) -> None:
    beat(cast)
    with django_assert_num_queries(1):
        beat(cast, replace(PLAIN, queries_collected=10, spool={"files": 0}, last_collection_age_seconds=3.5))
    assert row(cast).queries_collected == 10


# Members that differ from PLAIN, and the row before: each must end alike by both paths.
REPORTS: list[dict[str, Any]] = [
    {},
    {"queries_collected": 130, "errors_count": 9},
    {"queries_collected": 100, "errors_count": 5},
    {"queries_collected": 90, "errors_count": 1},
    {"queries_collected": None},
    {"agent_clock_seconds": 1_000_000.5},
    {"uptime_seconds": 77, "config_version": 3, "last_collection_age_seconds": 0.25},
    {"error": "cannot connect"},
    {"auto_collect": None},
    {"auto_collect": False},
    {"auto_collect": None, "error": "x"},
    {"stopping": True, "source": {"name": "slow_log", "readable": False}, "spool": {"files": 2}},
    {"instance": SECOND, "queries_collected": 7, "version": "0.2"},
    {"instance": SECOND, "queries_collected": None, "errors_count": None},
    {"instance": "", "queries_collected": 5},
    {"instance": "", "queries_collected": 500},
]
BEFORE: list[dict[str, Any]] = [
    {"status": status, "instance": instance, "epoch": 4, "reported_queries": 100, "reported_errors": 5}
    for status in Status
    for instance in (FIRST, "")
]


def outcome(collector: Collector) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """Return all that a heartbeat leaves behind; times as seconds ago, in tens, and the agent's clock as what it showed."""
    kept = model_to_dict(Heartbeat.objects.get(pk=collector.pk), exclude=["collector", "organization_id", "epoch"])
    now = timezone.now()
    # Keys differ; each is to be the one that is noted.
    kept["key_mark"] = kept["key_mark"] == mark_of(collector.api_key_hash)
    for name, value in kept.items():
        if isinstance(value, datetime):
            kept[name] = round((now - value).total_seconds() / 10)
    if kept["clock_skew_seconds"] is not None:
        kept["clock_skew_seconds"] = round((kept["clock_skew_seconds"] + now.timestamp()) / 10)
    changes = StatusChange.objects.filter(collector=collector).order_by("pk")
    return kept, list(changes.values_list("old_status", "new_status", "cause"))


@pytest.mark.parametrize("members", REPORTS, ids=str)
def test_both_paths_come_to_the_same(cast: Cast, members: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    report = replace(PLAIN, queries_collected=100, errors_count=5)
    report = replace(report, **members)
    for number, before in enumerate(BEFORE):
        for wanted in (True, False):
            both = []
            for path in ("fast", "slow"):
                collector, key = register(cast.shop, f"{path} {number} {wanted}", Engine.MYSQL)
                Heartbeat.objects.filter(pk=collector.pk).update(
                    last_heartbeat=Now() - timedelta(seconds=30), queries_collected=1000, errors_count=50, **before
                )
                Collector.objects.filter(pk=collector.pk).update(auto_collect=wanted, api_key_proven_at=Now())
                with monkeypatch.context() as patch:
                    if path == "slow":
                        slow(patch)
                    answer = heartbeats.record(collector_id=collector.pk, key_digest=digest_of(key), report=report)
                both.append((outcome(collector), replace(answer, epoch=0)))
            assert both[0] == both[1], f"{before} {wanted}"


@pytest.mark.parametrize("path", ["fast", "slow"])
def test_totals_never_fall_and_count_each_increase_once(cast: Cast, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if path == "slow":
        slow(monkeypatch)
    steps = [
        (FIRST, 10, 10),
        (FIRST, 25, 25),
        # A late heartbeat of the same process adds nothing, nor does what follows count it again.
        (FIRST, 20, 25),
        (FIRST, 26, 26),
        # A restart counts from zero.
        (SECOND, 4, 30),
        (SECOND, 4, 30),
        # A heartbeat of the process before arrives late.
        (FIRST, 26, 30),
        (SECOND, 9, 35),
    ]
    for instance, count, total in steps:
        beat(cast, replace(PLAIN, instance=instance, queries_collected=count, errors_count=count))
        assert row(cast).queries_collected == total, (instance, count)
        assert row(cast).errors_count == total, (instance, count)


def test_a_late_heartbeat_of_the_process_before_takes_no_new_epoch(cast: Cast) -> None:
    beat(cast)
    present = beat(cast, replace(PLAIN, instance=SECOND)).epoch
    late = beat(cast, PLAIN)
    assert late.epoch == present
    assert row(cast).instance == SECOND


def test_a_new_process_takes_a_higher_epoch_even_with_another_collector_of_the_database(cast: Cast) -> None:
    first = beat(cast).epoch
    second = beat(cast, replace(PLAIN, instance=SECOND)).epoch
    assert second > first
    assert beat(cast, replace(PLAIN, instance=SECOND, queries_collected=5)).epoch == second


def test_a_heartbeat_without_any_member_counts_as_alive(cast: Cast) -> None:
    beat(cast, Report())
    assert row(cast).status == Status.ONLINE
    beat(cast, Report())
    assert row(cast).status == Status.ONLINE


def test_an_error_makes_the_status_error_and_stays_to_be_read(cast: Cast) -> None:
    beat(cast)
    beat(cast, replace(PLAIN, error="cannot connect"))
    assert (row(cast).status, row(cast).last_error) == (Status.ERROR, "cannot connect")
    beat(cast)
    assert (row(cast).status, row(cast).last_error) == (Status.ONLINE, "cannot connect")


def test_a_flip_keeps_what_the_agent_complained_of_and_when_it_was_heard_before(cast: Cast) -> None:
    beat(cast)
    heard = row(cast).last_heartbeat
    beat(cast, replace(PLAIN, error="disk full " * 100))
    beat(cast)
    first, failed, well = StatusChange.objects.filter(collector=cast.collector).order_by("pk")[1:]
    assert (first.last_heartbeat, first.detail) == (None, "")
    assert (failed.last_heartbeat, failed.detail) == (heard, ("disk full " * 100)[:500])
    assert (well.detail, well.last_heartbeat is not None) == ("", True)


def test_a_stopped_collector_stays_stopped_through_restarts_of_its_agent(cast: Cast) -> None:
    beat(cast)
    request_command(collector=cast.collector, command=CommandType.STOP, actor=SOMEBODY)
    beat(cast, replace(PLAIN, auto_collect=False))
    for instance in (SECOND, "c" * 32):
        answer = beat(cast, replace(PLAIN, instance=instance, auto_collect=True))
        assert answer.auto_collect is False
        assert row(cast).status == Status.STOPPED


@pytest.mark.parametrize("path", ["fast", "slow"])
def test_a_wrong_key_is_refused_and_writes_nothing(cast: Cast, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    beat(cast)
    before = model_to_dict(row(cast))
    if path == "slow":
        slow(monkeypatch)
    for key in (generate_key(cast.collector.pk), cast.foreign_key, cast.warehouse_key):
        with pytest.raises(KeyRefused):
            beat(cast, replace(PLAIN, queries_collected=99), key)
    assert model_to_dict(row(cast)) == before


@pytest.mark.parametrize("path", ["fast", "slow"])
def test_both_keys_work_during_the_overlap_of_a_rotation_and_the_old_one_not_after(
    cast: Cast, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(cast)
    if path == "slow":
        slow(monkeypatch)
    new = rotate_key(collector=cast.collector, actor=SOMEBODY).api_key
    beat(cast, key=cast.key)
    beat(cast, key=new)
    Collector.objects.filter(pk=cast.collector.pk).update(previous_key_expires_at=Now())
    with pytest.raises(KeyRefused):
        beat(cast, key=cast.key)
    beat(cast, key=new)


def test_a_second_rotation_ends_the_first_key_at_once(cast: Cast) -> None:
    second = rotate_key(collector=cast.collector, actor=SOMEBODY).api_key
    beat(cast, key=second)
    rotate_key(collector=cast.collector, actor=SOMEBODY)
    with pytest.raises(KeyRefused):
        beat(cast, key=cast.key)
    beat(cast, key=second)


def test_a_rotation_without_overlap_ends_the_key_at_once(cast: Cast) -> None:
    rotate_key(collector=cast.collector, actor=SOMEBODY, overlap=timedelta(0))
    with pytest.raises(KeyRefused):
        beat(cast, key=cast.key)


def test_the_key_of_a_removed_collector_is_refused(cast: Cast) -> None:
    number = cast.collector.pk
    delete_collector(collector=Collector.objects.get(pk=number), actor=SOMEBODY)
    with pytest.raises(KeyRefused):
        heartbeats.record(collector_id=number, key_digest=digest_of(cast.key), report=PLAIN)


@pytest.mark.parametrize("path", ["fast", "slow"])
def test_commands_are_delivered_in_order_until_they_end(cast: Cast, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    beat(cast)
    if path == "slow":
        slow(monkeypatch)
    kinds = [CommandType.COLLECT, CommandType.STOP, CommandType.COLLECT]
    asked = [request_command(collector=cast.collector, command=kind, actor=SOMEBODY).pk for kind in kinds]
    for _ in range(2):
        assert [command.id for command in beat(cast).commands] == asked
    assert set(Command.objects.values_list("state", flat=True)) == {CommandState.DELIVERED}
    Command.objects.filter(pk=asked[0]).update(expires_at=Now())
    Command.objects.filter(pk=asked[1]).update(state=CommandState.CANCELLED)
    assert [command.id for command in beat(cast).commands] == asked[2:]


def test_commands_of_other_collectors_are_not_delivered(cast: Cast) -> None:
    beat(cast)
    request_command(collector=cast.warehouse_collector, command=CommandType.COLLECT, actor=SOMEBODY)
    assert beat(cast).commands == []


def test_a_configuration_is_filled_in_at_delivery_and_absent_from_history(cast: Cast) -> None:
    command = change_collector(collector=cast.collector, actor=SOMEBODY, config={"host": "db1", "password": "canary-1"})
    assert command is not None
    delivered = beat(cast).commands[0]
    assert delivered.params == {"config": {"host": "db1", "password": "canary-1"}, "config_version": 2}
    command.refresh_from_db()
    assert command.params == {}


def test_a_configuration_that_no_key_opens_is_not_delivered_and_does_not_fail_the_heartbeat(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    change_collector(collector=cast.collector, actor=SOMEBODY, config={"host": "db1"})
    Collector.objects.filter(pk=cast.collector.pk).update(config="broken")
    assert beat(cast).commands == []
    assert "No encryption key opens" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_heartbeats_at_once_count_every_process_once(cast: Cast) -> None:
    beat(cast)

    def report(count: int) -> Callable[[], heartbeats.Answer]:
        return lambda: beat(cast, replace(PLAIN, queries_collected=count))

    for start in range(0, 40, 8):
        results = at_once(*[report(start + step) for step in range(8)])
        assert not [result for result in results if isinstance(result, Exception)]
    assert row(cast).queries_collected == 39


@pytest.mark.django_db(transaction=True)
def test_first_heartbeats_at_once_write_one_status_change(cast: Cast) -> None:
    results = at_once(*[lambda: beat(cast) for _ in range(6)])
    assert not [result for result in results if isinstance(result, Exception)]
    changes = StatusChange.objects.filter(collector=cast.collector, new_status=Status.ONLINE)
    assert changes.count() == 1


@pytest.mark.parametrize("path", ["fast", "slow"])
@pytest.mark.parametrize("away", [0.0, -192.0, 7200.0, -1.7e9])
def test_how_far_an_agents_clock_is_from_the_servers_is_kept_and_decides_nothing(
    cast: Cast, path: str, away: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(cast)
    if path == "slow":
        slow(monkeypatch)
    now = timezone.now()
    beat(cast, replace(PLAIN, agent_clock_seconds=now.timestamp() + away, last_collection_age_seconds=0))
    kept = row(cast)
    assert kept.clock_skew_seconds == pytest.approx(away, abs=1)
    assert kept.clock_skew_seconds is not None
    assert kept.clock_skew_seconds <= away + 0.01, "the way of the request makes a clock look slower, never faster"
    for at in (kept.last_heartbeat, kept.last_collection):
        assert at is not None
        assert abs(at - now) < timedelta(seconds=5)
    beat(cast)
    assert row(cast).clock_skew_seconds is None, "one that does not say leaves no old truth"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="HOT updates are PostgreSQL's")
def test_a_settled_heartbeat_writes_no_index(cast: Cast) -> None:
    def written() -> tuple[int, int]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'collector_heartbeats'"
            )
            row: tuple[int, int] = cursor.fetchone()
            return row

    for wanted, status in ((True, Status.ONLINE), (False, Status.STOPPED)):
        Collector.objects.filter(pk=cast.collector.pk).update(auto_collect=wanted)
        report = replace(PLAIN, auto_collect=wanted)
        beat(cast, report)
        assert row(cast).status == status
        before = written()
        for number in range(5):
            beat(cast, replace(report, queries_collected=number, spool={"files": number}))
        after = written()
        assert (after[0] - before[0], after[1] - before[1]) == (5, 5), status
