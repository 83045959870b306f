"""How long a collector was in which status."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collectors.domain import uptime
from collectors.domain.liveness import Status
from collectors.domain.uptime import Flip, Stretch, stretches

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FLIPS = st.lists(st.tuples(st.integers(-48, 30), st.sampled_from(Status)), max_size=12).map(
    lambda found: [Flip(NOON + hours * HOUR, status, "") for hours, status in sorted(found)]
)


def flip(hours: float, status: Status) -> Flip:
    return Flip(NOON + hours * HOUR, status, f"at {hours}")


def test_a_status_lasts_from_its_flip_to_the_next_one_within_the_period() -> None:
    flips = [flip(-5, Status.STARTING), flip(-3, Status.ONLINE), flip(1, Status.OFFLINE), flip(2, Status.ONLINE)]
    assert stretches(flips, since=NOON, until=NOON + 4 * HOUR) == [
        Stretch(NOON, NOON + HOUR, Status.ONLINE, "at -3"),
        Stretch(NOON + HOUR, NOON + 2 * HOUR, Status.OFFLINE, "at 1"),
        Stretch(NOON + 2 * HOUR, NOON + 4 * HOUR, Status.ONLINE, "at 2"),
    ]


def test_what_was_before_the_first_flip_is_not_known_and_not_counted() -> None:
    parts = stretches([flip(3, Status.ONLINE)], since=NOON, until=NOON + 4 * HOUR)
    assert [(part.since, part.status) for part in parts] == [(NOON + 3 * HOUR, Status.ONLINE)]
    assert uptime.shares(parts) == {Status.ONLINE: 1}
    assert stretches([], since=NOON, until=NOON + HOUR) == []


def test_time_in_which_it_was_not_wanted_says_nothing_of_how_well_it_did() -> None:
    flips = [flip(0, Status.STARTING), flip(1, Status.ONLINE), flip(4, Status.OFFLINE), flip(5, Status.STOPPED)]
    parts = stretches(flips, since=NOON, until=NOON + 10 * HOUR)
    assert uptime.uptime(parts) == 0.75
    assert uptime.shares(parts)[Status.STOPPED] == 0.5
    assert uptime.uptime([]) is None
    assert uptime.uptime(stretches([flip(0, Status.STOPPED)], since=NOON, until=NOON + HOUR)) is None


@given(FLIPS)
def test_stretches_follow_each_other_and_shares_make_a_whole(flips: list[Flip]) -> None:
    parts = stretches(flips, since=NOON, until=NOON + 24 * HOUR)
    assert all(before.until == after.since for before, after in pairwise(parts))
    if parts:
        assert parts[-1].until == NOON + 24 * HOUR
        assert abs(sum(uptime.shares(parts).values()) - 1) < 1e-9
    first = min((flip.at for flip in flips), default=None)
    known = first is not None and first < NOON + 24 * HOUR
    assert bool(parts) == known
