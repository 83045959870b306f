"""What was to be heard of a collector, told from its statuses."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collectors.domain.hearing import Hearing, Sound, heard_share, hearings
from collectors.domain.liveness import Cause, Status
from collectors.domain.uptime import Flip, stretches

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def flip(minutes: float, status: Status, cause: str = Cause.HEARTBEAT, **more: object) -> Flip:
    return Flip(at(minutes), status, cause, **more)  # type: ignore[arg-type]


def heard(
    *flips: Flip, until: float = 60, outages: tuple[tuple[float, float], ...] = (), **more: object
) -> list[Hearing]:
    parts = stretches(flips, since=NOON, until=at(until))
    times = [(at(began), at(ended)) for began, ended in outages]
    return hearings(parts, outages=times, **more)  # type: ignore[arg-type]


def told(found: list[Hearing]) -> list[tuple[float, float, str]]:
    return [((one.since - NOON) / MINUTE, (one.until - NOON) / MINUTE, one.sound.value) for one in found]


ONLINE = flip(-60, Status.ONLINE)


def test_a_silence_begins_with_the_last_heartbeat_not_when_it_was_noticed() -> None:
    offline = flip(12, Status.OFFLINE, Cause.DEADLINE, last_heartbeat=at(10))
    found = heard(ONLINE, offline, flip(20, Status.ONLINE))
    assert told(found) == [(0, 10, "heard"), (10, 20, "silent"), (20, 60, "heard")]
    assert found[1].noticed_at == at(12)
    assert heard_share(found, since=NOON) == 50 / 60


def test_one_that_was_silent_before_the_period_was_so_since_its_last_heartbeat() -> None:
    found = heard(flip(-5, Status.OFFLINE, Cause.DEADLINE, last_heartbeat=at(-7)))
    assert told(found) == [(-7, 60, "silent")]
    assert found[0].noticed_at == at(-5)
    assert heard_share(found, since=NOON) == 0


def test_of_a_silence_from_before_the_period_only_what_lies_within_counts() -> None:
    found = heard(flip(-900, Status.OFFLINE, Cause.DEADLINE, last_heartbeat=at(-902)), flip(15, Status.ONLINE))
    assert told(found) == [(-902, 15, "silent"), (15, 60, "heard")]
    assert heard_share(found, since=NOON) == 45 / 60


def test_a_start_is_accepted_of_whom_nobody_hears() -> None:
    offline = flip(12, Status.OFFLINE, Cause.DEADLINE, last_heartbeat=at(10))
    started = flip(15, Status.STARTING, Cause.START_ACCEPTED)
    assert told(heard(ONLINE, offline, started, flip(20, Status.ONLINE)))[1] == (10, 20, "silent")
    assert told(heard(ONLINE, started, flip(16, Status.ONLINE, Cause.START_DONE))) == [(0, 60, "heard")]


def test_one_that_was_never_heard_is_waited_for_and_not_silent() -> None:
    new = [flip(1, Status.STARTING, Cause.REGISTERED), flip(4, Status.OFFLINE, Cause.DEADLINE)]
    assert told(heard(*new, flip(9, Status.ONLINE))) == [(1, 9, "awaited"), (9, 60, "heard")]


def test_errors_are_apart_with_their_texts_and_of_a_stopped_one_nothing_is_claimed() -> None:
    found = heard(
        ONLINE,
        flip(5, Status.ERROR, Cause.HEARTBEAT_ERROR, detail="disk full"),
        flip(9, Status.STOPPED, Cause.STOP_DONE),
    )
    assert told(found) == [(0, 5, "heard"), (5, 9, "errors"), (9, 60, "stopped")]
    assert found[1].detail == "disk full"
    assert heard_share(found, since=NOON) == 1


def test_while_the_control_plane_was_away_nobody_is_said_to_have_been_heard_or_silent() -> None:
    found = heard(ONLINE, outages=((-5, 2), (30, 40)))
    assert told(found) == [(0, 2, "outage"), (2, 30, "heard"), (30, 40, "outage"), (40, 60, "heard")]
    assert heard_share(found, since=NOON) == 1


def test_one_that_is_overdue_now_is_silent_since_its_last_heartbeat() -> None:
    assert told(heard(ONLINE, silent_since=at(58))) == [(0, 58, "heard"), (58, 60, "silent")]


@given(
    st.lists(st.tuples(st.integers(-30, 80), st.sampled_from(Status), st.integers(0, 9)), max_size=9),
    st.lists(st.tuples(st.integers(-30, 80), st.integers(0, 30)), max_size=4),
)
def test_what_is_told_follows_without_overlaps(
    flips: list[tuple[int, Status, int]], outages: list[tuple[int, int]]
) -> None:
    made = [flip(when, status, last_heartbeat=at(when - before)) for when, status, before in sorted(flips)]
    found = heard(*made, outages=tuple((began, began + length) for began, length in outages))
    for one, following in pairwise(found):
        assert one.since < one.until <= following.since
    assert all(one.sound in Sound for one in found)
    share = heard_share(found, since=NOON)
    assert share is None or 0 <= share <= 1
