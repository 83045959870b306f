"""The sweep: who is overdue becomes OFFLINE, once, and an outage of ours is never taken for one of theirs."""

import logging
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import DatabaseError
from django.db.models.functions import Now

from collectors.domain.commands import CommandState, CommandType
from collectors.domain.liveness import Cause, Status
from collectors.domain.sources import Engine
from collectors.models import Collector, Command, ControlPlane, Heartbeat, StatusChange
from collectors.services import commands, presence, sweep
from collectors.services.commands import request_command
from tests.cast import SOMEBODY, Cast, register
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def age(collector: Collector, *, status: Status, heard: float | None, starting: float = 3600) -> None:
    """Make the collector one that was heard so many seconds ago, and has been waited for so long."""
    Heartbeat.objects.filter(pk=collector.pk).update(
        status=status,
        last_heartbeat=None if heard is None else Now() - timedelta(seconds=heard),
        starting_since=Now() - timedelta(seconds=starting),
    )


def web(*, seen: float, accepting: float) -> None:
    presence.record_web()
    ControlPlane.objects.update(
        web_seen_at=Now() - timedelta(seconds=seen), accepting_since=Now() - timedelta(seconds=accepting)
    )


def status(collector: Collector) -> str:
    return Heartbeat.objects.get(pk=collector.pk).status


@pytest.mark.parametrize(
    ("before", "heard", "starting", "after"),
    [
        (Status.ONLINE, 125, 3600, Status.OFFLINE),
        (Status.ERROR, 125, 3600, Status.OFFLINE),
        (Status.STARTING, None, 125, Status.OFFLINE),
        (Status.STARTING, 3600, 125, Status.OFFLINE),
        (Status.ONLINE, 115, 3600, Status.ONLINE),
        (Status.ERROR, 115, 3600, Status.ERROR),
        (Status.STARTING, None, 115, Status.STARTING),
        # Accepted a start just now: it has its time, however long it was silent before.
        (Status.STARTING, 3600, 115, Status.STARTING),
        (Status.STOPPED, 3600, 3600, Status.STOPPED),
        (Status.STOPPED, None, 3600, Status.STOPPED),
        (Status.OFFLINE, 3600, 3600, Status.OFFLINE),
    ],
)
def test_a_pass_makes_of_a_status(
    cast: Cast, before: Status, heard: float | None, starting: float, after: Status
) -> None:
    web(seen=1, accepting=3600)
    age(cast.collector, status=before, heard=heard, starting=starting)
    flipped = sweep.sweep().offline
    assert status(cast.collector) == after
    assert flipped == (before is not after)
    changes = StatusChange.objects.filter(collector=cast.collector, cause=Cause.DEADLINE)
    assert list(changes.values_list("old_status", "new_status")) == ([(before, after)] if before is not after else [])


@pytest.mark.parametrize("came", ["last_heartbeat", "starting_since"])
def test_what_came_since_the_pass_has_looked_holds(cast: Cast, monkeypatch: pytest.MonkeyPatch, came: str) -> None:
    web(seen=1, accepting=3600)
    age(cast.collector, status=Status.STARTING, heard=3600)
    flip = sweep._flip

    def after_it_came(ids: list[int], *rest: object) -> int:
        Heartbeat.objects.filter(pk__in=ids).update(**{came: Now()})
        return flip(ids, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sweep, "_flip", after_it_came)
    assert sweep.sweep().offline == 0
    assert status(cast.collector) == Status.STARTING


def test_a_stopped_collector_that_is_silent_is_stopped_and_not_online(cast: Cast) -> None:
    web(seen=1, accepting=3600)
    age(cast.collector, status=Status.STOPPED, heard=3600)
    sweep.sweep()
    collector = Collector.objects.select_related("heartbeat").get(pk=cast.collector.pk)
    assert collector.heartbeat.status == Status.STOPPED
    assert not collector.is_online()


def test_a_second_pass_finds_nothing(cast: Cast) -> None:
    web(seen=1, accepting=3600)
    age(cast.collector, status=Status.ONLINE, heard=3600)
    assert [sweep.sweep().offline, sweep.sweep().offline] == [1, 0]


@pytest.mark.parametrize(
    ("seen", "accepting", "flagged"),
    [
        (1, 125, 1),
        # Not one whole window has passed since heartbeats are accepted again.
        (1, 115, 0),
        (1, 0, 0),
        # No web process accepts heartbeats at all.
        (35, 3600, 0),
    ],
)
def test_nobody_is_flagged_before_one_whole_window_of_our_own(
    cast: Cast, seen: float, accepting: float, flagged: int
) -> None:
    age(cast.collector, status=Status.ONLINE, heard=3600)
    web(seen=seen, accepting=accepting)
    assert sweep.sweep().offline == flagged


def test_after_an_outage_of_the_web_the_window_begins_anew(cast: Cast) -> None:
    age(cast.collector, status=Status.ONLINE, heard=3600)
    web(seen=600, accepting=86_400)
    assert sweep.sweep().offline == 0
    presence.record_web()
    assert sweep.sweep().offline == 0
    web(seen=1, accepting=settings.DBPOWER_OFFLINE_AFTER_SECONDS + 1)
    assert sweep.sweep().offline == 1


def test_a_sweep_that_was_away_grants_nothing_and_rewrites_no_heartbeat(cast: Cast) -> None:
    web(seen=1, accepting=3600)
    ControlPlane.objects.update(last_sweep_at=Now() - timedelta(days=1), beat_seen_at=None)
    age(cast.collector, status=Status.ONLINE, heard=121)
    before = Heartbeat.objects.get(pk=cast.collector.pk).last_heartbeat
    assert sweep.sweep().offline == 1
    assert Heartbeat.objects.get(pk=cast.collector.pk).last_heartbeat == before


def test_a_heartbeat_that_commits_between_looking_and_writing_wins(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    web(seen=1, accepting=3600)
    age(cast.collector, status=Status.ONLINE, heard=3600)
    flip = sweep._flip

    def heard_in_between(ids: list[int], *rest: object) -> int:
        Heartbeat.objects.filter(pk=cast.collector.pk).update(last_heartbeat=Now())
        return flip(ids, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sweep, "_flip", heard_in_between)
    assert sweep.sweep().offline == 0
    assert status(cast.collector) == Status.ONLINE
    assert not StatusChange.objects.filter(collector=cast.collector, new_status=Status.OFFLINE).exists()


def test_a_flip_is_a_warning_of_the_monitor(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    web(seen=1, accepting=3600)
    age(cast.collector, status=Status.STARTING, heard=None)
    sweep.sweep()
    record = next(record for record in caplog.records if record.name == "CollectorHealthMonitor")
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"collector {cast.collector.pk} is OFFLINE, last heartbeat: never"


def test_the_monitor_says_that_it_started(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="CollectorHealthMonitor"):
        sweep.announce()
    assert "started: a pass every 30 s, OFFLINE after 120 s without a heartbeat" in caplog.text


def test_one_bad_row_does_not_stop_the_sweep(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    web(seen=1, accepting=3600)
    others = [register(cast.shop, f"c{number}", Engine.MYSQL)[0] for number in range(5)]
    for collector in (cast.collector, *others):
        age(collector, status=Status.ONLINE, heard=3600)
    flip = sweep._flip

    def fail_for_one(ids: list[int], *rest: object) -> int:
        if others[2].pk in ids:
            raise DatabaseError("a bad row")
        return flip(ids, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sweep, "_flip", fail_for_one)
    assert sweep.sweep().offline == 5
    assert status(others[2]) == Status.ONLINE
    assert f"collector {others[2].pk} could not be flagged" in caplog.text


def test_commands_that_cannot_be_expired_do_not_stop_the_sweep(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> int:
        raise DatabaseError("a deadlock")

    web(seen=1, accepting=3600)
    age(cast.collector, status=Status.ONLINE, heard=3600)
    monkeypatch.setattr(commands, "expire_overdue", fail)
    assert sweep.sweep() == sweep.Swept(offline=1, expired_commands=0)
    assert "commands could not be expired" in caplog.text


def test_a_pass_expires_commands_whose_time_is_over(cast: Cast) -> None:
    old = request_command(collector=cast.collector, command=CommandType.COLLECT, actor=SOMEBODY)
    fresh = request_command(collector=cast.collector, command=CommandType.COLLECT, actor=SOMEBODY)
    Command.objects.filter(pk=old.pk).update(expires_at=Now())
    assert sweep.sweep().expired_commands == 1
    old.refresh_from_db()
    fresh.refresh_from_db()
    assert (old.state, fresh.state) == (CommandState.EXPIRED, CommandState.PENDING)
    assert old.ended_at is not None


def test_a_pass_leaves_its_time(cast: Cast) -> None:
    sweep.sweep()
    assert ControlPlane.objects.get().last_sweep_at is not None


@pytest.mark.django_db(transaction=True)
def test_sweeps_at_once_have_one_effect(cast: Cast) -> None:
    web(seen=1, accepting=3600)
    collectors = [register(cast.shop, f"c{number}", Engine.MYSQL)[0] for number in range(12)]
    for _ in range(4):
        for collector in collectors:
            age(collector, status=Status.ONLINE, heard=3600)
        StatusChange.objects.all().delete()
        results = at_once(*[sweep.sweep for _ in range(4)])
        assert sum(result.offline for result in results if isinstance(result, sweep.Swept)) == len(collectors)
        flagged = StatusChange.objects.filter(new_status=Status.OFFLINE).values_list("collector_id", flat=True)
        assert sorted(flagged) == sorted(collector.pk for collector in collectors)
