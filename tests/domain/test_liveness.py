"""What a heartbeat makes of a status, and who counts as online: the whole table."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from collectors.domain.liveness import SWEPT, Beat, Status, after_heartbeat, is_online, settled_statuses

STARTING, ONLINE, ERROR, STOPPED, OFFLINE = Status.STARTING, Status.ONLINE, Status.ERROR, Status.STOPPED, Status.OFFLINE
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DEADLINE = timedelta(seconds=120)

# (status before, error, wanted, reported, start still open) → status after. None: the agent does not say.
TRANSITIONS = [
    # An agent that says nothing of itself: alive, unless an operator stopped it.
    (STARTING, False, True, None, False, ONLINE),
    (STARTING, True, True, None, False, ERROR),
    (ONLINE, False, True, None, False, ONLINE),
    (ONLINE, True, True, None, False, ERROR),
    (ERROR, False, True, None, False, ONLINE),
    (OFFLINE, False, True, None, False, ONLINE),
    (OFFLINE, True, True, None, False, ERROR),
    (STOPPED, False, True, None, False, STOPPED),
    (STOPPED, True, False, None, False, STOPPED),
    # A stop counts once the agent says it collects no longer, even when the command itself was lost.
    (ONLINE, False, False, True, False, ONLINE),
    (ONLINE, False, False, False, False, STOPPED),
    (ERROR, True, False, False, False, STOPPED),
    (OFFLINE, False, False, False, False, STOPPED),
    (STARTING, False, False, False, False, STOPPED),
    # It survives a restart of the agent, which comes back collecting until it has heard.
    (STOPPED, False, False, True, False, STOPPED),
    (STOPPED, True, False, True, False, STOPPED),
    # A start counts once the agent has done it.
    (STARTING, False, True, False, True, STARTING),
    (STARTING, False, True, True, True, STARTING),
    (STARTING, True, True, True, True, STARTING),
    (STARTING, False, True, True, False, ONLINE),
    (STOPPED, False, True, True, False, ONLINE),
    (STOPPED, True, True, True, False, ERROR),
    (STOPPED, False, True, False, False, STOPPED),
]


@pytest.mark.parametrize(("before", "error", "wanted", "reported", "start_open", "after"), TRANSITIONS)
def test_a_heartbeat_makes_of_a_status(
    before: Status, error: bool, wanted: bool, reported: bool | None, start_open: bool, after: Status
) -> None:
    beat = Beat(has_error=error, wanted_auto_collect=wanted, reported_auto_collect=reported, start_open=start_open)
    assert after_heartbeat(before, beat) is after


@pytest.mark.parametrize(
    ("error", "wanted", "reported", "start_open"),
    list(product([False, True], [False, True], [None, False, True], [False, True])),
)
def test_the_fast_path_takes_only_heartbeats_that_change_no_status(
    error: bool, wanted: bool, reported: bool | None, start_open: bool
) -> None:
    beat = Beat(has_error=error, wanted_auto_collect=wanted, reported_auto_collect=reported, start_open=start_open)
    for status in settled_statuses(error, reported):
        assert after_heartbeat(status, beat) is status


def test_a_heartbeat_never_leaves_a_collector_offline() -> None:
    for error, wanted, reported, start_open in product(
        [False, True], [False, True], [None, False, True], [False, True]
    ):
        beat = Beat(has_error=error, wanted_auto_collect=wanted, reported_auto_collect=reported, start_open=start_open)
        assert all(after_heartbeat(status, beat) is not OFFLINE for status in Status)


def test_the_sweep_leaves_stopped_and_offline_alone() -> None:
    assert set(SWEPT) == {STARTING, ONLINE, ERROR}


@pytest.mark.parametrize(
    ("heard_ago", "accepting_ago", "online"),
    [
        (None, 1000, False),
        (0, None, True),
        (119.9, None, True),
        (120, None, False),
        (119.9, 1000, True),
        (120, 1000, False),
        # After an outage of ours time counts from when heartbeats were accepted again.
        (1000, 119.9, True),
        (1000, 120, False),
        # A clock that went backwards makes nobody dead.
        (-5, None, True),
    ],
)
def test_online_means_that_the_deadline_lies_ahead(
    heard_ago: float | None, accepting_ago: float | None, online: bool
) -> None:
    heard = None if heard_ago is None else NOW - timedelta(seconds=heard_ago)
    accepting = None if accepting_ago is None else NOW - timedelta(seconds=accepting_ago)
    seen = is_online(heard, status=Status.ONLINE, now=NOW, accepting_since=accepting, offline_after=DEADLINE)
    assert seen is online


@pytest.mark.parametrize("status", [Status.OFFLINE, Status.STOPPED])
def test_an_outage_of_ours_does_not_bring_back_who_was_silent_before_it(status: Status) -> None:
    long_ago, just_now = NOW - timedelta(hours=2), NOW - timedelta(seconds=1)
    assert not is_online(long_ago, status=status, now=NOW, accepting_since=just_now, offline_after=DEADLINE)
    assert is_online(just_now, status=status, now=NOW, accepting_since=just_now, offline_after=DEADLINE)
