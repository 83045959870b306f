"""What needs somebody's attention, worst first."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from collectors.models import Collector, Command, ControlPlane, Gap, Heartbeat, StatusChange
from collectors.services import attention, fleet, health
from collectors.services.attention import Concern, Example, Finding, Watched
from tests.cast import Cast

pytestmark = pytest.mark.django_db
WELL = health.Detail(True, "embedded", 0, 1.0, 1.0, 1.0, 1.0, [])


@pytest.fixture
def now(cast: Cast) -> datetime:
    """The present moment, with a fleet that is well."""
    moment = timezone.now()
    ControlPlane.objects.update(accepting_since=moment - timedelta(days=1))
    Heartbeat.objects.update(status="ONLINE", last_heartbeat=moment)
    return moment


def findings(now: datetime, *, state: health.Detail = WELL, own: Any = None) -> list[Finding]:
    rows = {"organization_id": own} if own else {}
    heartbeats = Heartbeat.objects.filter(**rows)
    watched = Watched(
        counts=fleet.counts(heartbeats=heartbeats, now=now),
        heartbeats=heartbeats,
        changes=StatusChange.objects.filter(**rows),
        collectors=Collector.objects.filter(**rows),
        commands=Command.objects.filter(**rows),
        gaps=Gap.objects.filter(**rows),
    )
    return attention.findings(watched, now=now, state=state)


def flip(collector: Collector, now: datetime, minutes: int) -> None:
    Heartbeat.objects.filter(pk=collector.pk).update(status="OFFLINE", address="10.0.0.7")
    StatusChange.objects.create(
        organization_id=collector.organization_id,
        collector=collector,
        old_status="ONLINE",
        new_status="OFFLINE",
        cause="no heartbeat before the deadline",
        changed_at=now - timedelta(minutes=minutes),
    )


def test_a_fleet_that_is_well_needs_nothing(now: datetime) -> None:
    assert findings(now) == []


def test_those_that_went_offline_last_are_named_first_and_once(cast: Cast, now: datetime) -> None:
    for minutes in (50, 40, 30):
        flip(cast.collector, now, minutes)
    flip(cast.warehouse_collector, now, 5)
    (found,) = findings(now)
    assert (found.concern, found.count) == (Concern.OFFLINE, 2)
    assert [(example.name, example.since) for example in found.examples] == [
        ("warehouse-pg", now - timedelta(minutes=5)),
        ("shop-mysql", now - timedelta(minutes=30)),
    ]
    assert found.examples[0].detail == "10.0.0.7"


def test_one_that_came_back_is_not_named(cast: Cast, now: datetime) -> None:
    flip(cast.collector, now, 5)
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="ONLINE")
    assert findings(now) == []


def test_rows_that_were_not_given_are_neither_counted_nor_named(cast: Cast, now: datetime) -> None:
    flip(cast.foreign_collector, now, 5)
    assert findings(now, own=cast.example.pk) == []
    assert [found.count for found in findings(now, own=cast.sample.pk)] == [1]


def test_errors_tell_what_the_agents_said_cut_to_a_line(cast: Cast, now: datetime) -> None:
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="ERROR", last_error="x" * 2_000, last_error_at=now)
    (found,) = findings(now)
    assert found.examples == [Example("shop-mysql", cast.collector.pk, now, "x" * 160)]


def test_what_is_missing_of_the_control_plane_comes_before_everything(cast: Cast, now: datetime) -> None:
    flip(cast.collector, now, 5)
    dead = health.Detail(True, "embedded", 0, 1.0, None, 1.0, None, ["worker"])
    assert [found.concern for found in findings(now, state=dead)] == [Concern.CONTROL_PLANE, Concern.OFFLINE]


def test_everything_else_that_is_wrong_is_told_as_long_as_it_lasts(cast: Cast, now: datetime) -> None:
    long_ago = now - timedelta(days=2)
    heartbeats = Heartbeat.objects.filter(pk=cast.collector.pk)
    told: list[tuple[str, dict[str, Any], Concern]] = [
        ("heartbeat", {"duplicate_seen_at": now - timedelta(minutes=5)}, Concern.DUPLICATE),
        (
            "heartbeat",
            {"status": "STARTING", "last_heartbeat": None, "starting_since": now - timedelta(hours=1)},
            Concern.NEVER_HEARD,
        ),
        ("heartbeat", {"last_heartbeat": now - timedelta(seconds=90)}, Concern.LATE),
        ("heartbeat", {"clock_skew_seconds": -192.0}, Concern.CLOCKS),
        ("heartbeat", {"clock_skew_seconds": 31.0}, Concern.CLOCKS),
        ("heartbeat", {"clock_skew_seconds": 29.0}, Concern.CLOCKS),
        ("heartbeat", {"duplicate_seen_at": long_ago}, Concern.DUPLICATE),
    ]
    usual = {"duplicate_seen_at": None, "last_heartbeat": now, "starting_since": now, "clock_skew_seconds": None}
    seen = []
    for _, values, concern in told:
        heartbeats.update(**{"status": "ONLINE", **usual, **values})
        seen.append([found.concern for found in findings(now)] == [concern])
    assert seen == [True, True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("kind", "hours", "told"), [("lost_rows", 2, True), ("baseline", 2, False), ("missed", 30, False)]
)
def test_gaps_of_the_last_day_that_hide_calls_are_told(
    kind: str, hours: int, told: bool, cast: Cast, now: datetime
) -> None:
    ended = now - timedelta(hours=hours)
    database = cast.collector.database
    Gap.objects.create(
        organization_id=database.organization_id,
        database=database,
        source="slow_log",
        kind=kind,
        covered_from=ended - timedelta(hours=1),
        covered_to=ended,
    )
    expected = [Finding(Concern.GAPS, 1, [Example("shop-mysql", None, ended, kind)])] if told else []
    assert findings(now) == expected


@pytest.mark.parametrize(
    ("command", "state", "told"),
    [
        ("collect", "failed", True),
        ("collect", "expired", True),
        ("collect", "succeeded", False),
        ("explain", "failed", False),
        ("explain", "expired", True),
    ],
)
def test_commands_that_were_not_carried_out_are_told(
    command: str, state: str, told: bool, cast: Cast, now: datetime
) -> None:
    Command.objects.create(
        organization_id=cast.example.pk,
        collector=cast.collector,
        command=command,
        state=state,
        expires_at=now,
        ended_at=now,
    )
    assert [found.concern for found in findings(now)] == ([Concern.COMMANDS] if told else [])


def test_a_new_key_that_is_waited_for_too_long_is_told(cast: Cast, now: datetime) -> None:
    collectors = Collector.objects.filter(pk=cast.collector.pk)
    collectors.update(key_rotation_requested_at=now - timedelta(hours=1))
    assert findings(now) == []
    collectors.update(key_rotation_requested_at=now - timedelta(hours=25))
    assert [found.concern for found in findings(now)] == [Concern.KEYS]
