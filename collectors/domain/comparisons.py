"""What became of a row's load since an earlier period of the same length."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from collectors.domain.time_ranges import TimeRange

# A row became worse or better when its total time changed by this factor and by at least so many nanoseconds for each second
# of the period: a thousandth of one busy session. Less is noise, however large the factor.
FACTOR: Final = 1.25
LEAST_NS_PER_SECOND: Final = 1_000_000


class Change(StrEnum):
    """New ones had no calls in the earlier period, gone ones have none in this; the others are judged by their total time."""

    NEW = "new"
    WORSE = "worse"
    BETTER = "better"
    GONE = "gone"
    SAME = "same"


class Earlier(StrEnum):
    """The period that another is compared with: the one right before it, or the same time of an earlier day."""

    PREVIOUS = "previous"
    DAY = "day"
    WEEK = "week"


_DISTANCES: Final[Mapping[Earlier, timedelta]] = {
    Earlier.DAY: timedelta(days=1),
    Earlier.WEEK: timedelta(days=7),
}


def offered(shown: TimeRange) -> list[Earlier]:
    """Return what a period can be compared with: it must be over when the period begins, or calls would be on both sides."""
    return [choice for choice in Earlier if choice not in _DISTANCES or shown.length <= _DISTANCES[choice]]


def earlier(shown: TimeRange, name: str) -> TimeRange | None:
    """Return the earlier period of that name; None for a name that is none, or that the period is too long for."""
    found = next((choice for choice in offered(shown) if choice == name), None)
    return None if found is None else shown.before(_DISTANCES.get(found))


def least(length: timedelta) -> int:
    """Return by how many nanoseconds total time has to change in a period of that length to be told."""
    return round(LEAST_NS_PER_SECOND * length.total_seconds())


def judged(now_ns: int | None, before_ns: int | None, *, length: timedelta) -> Change:
    """Tell what became of a row from its total time in both periods; None where it had no calls."""
    if before_ns is None:
        return Change.NEW
    if now_ns is None:
        return Change.GONE
    if abs(now_ns - before_ns) < least(length):
        return Change.SAME
    if now_ns >= before_ns * FACTOR:
        return Change.WORSE
    return Change.BETTER if before_ns >= now_ns * FACTOR else Change.SAME
