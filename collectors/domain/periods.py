"""Slots of time: the five minutes, the hour, the day and the week (all UTC) that a moment falls in.

All are counted from 1970 on, so that weeks begin on Thursdays.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

BUCKET: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def floor(at: datetime, width: timedelta) -> datetime:
    """Return the beginning of the slot of that width that a moment falls in; slots are counted from 1970 on."""
    return _EPOCH + (at - _EPOCH) // width * width


def ceil(at: datetime, width: timedelta) -> datetime:
    """Return the beginning of the first slot of that width that does not begin before a moment."""
    start = floor(at, width)
    return start if start == at else start + width


@dataclass(frozen=True)
class Span:
    """A stretch of time that is read in slots of one width."""

    width: timedelta
    since: datetime
    until: datetime


def spans(
    since: datetime,
    until: datetime,
    *,
    unfinished: Mapping[timedelta, Collection[datetime]],
    widest: timedelta = WEEK,
) -> list[Span]:
    """Return how to read the buckets that begin from `since` to before `until`, each once: in weeks, days and hours where whole ones
    lie within, in buckets elsewhere. No slot is wider than `widest`.

    Unfinished are, by their width, the slots whose roll-up has yet to be made or made anew; what holds an unfinished one is
    unfinished too.
    """
    at, end = ceil(since, BUCKET), ceil(until, BUCKET)
    wanted = [(width, _around(unfinished, width)) for width in (WEEK, DAY, HOUR) if width <= widest]
    found: list[Span] = []
    while at < end:
        step = _step(at, end, wanted)
        if found and found[-1].width == step.width:
            step = Span(step.width, found.pop().since, step.until)
        found.append(step)
        at = step.until
    return found


def _around(unfinished: Mapping[timedelta, Collection[datetime]], widest: timedelta) -> set[datetime]:
    """Return the slots of a width that are unfinished, or hold a finer one that is."""
    return {floor(start, widest) for width, starts in unfinished.items() if width <= widest for start in starts}


def _step(at: datetime, end: datetime, wanted: Sequence[tuple[timedelta, Collection[datetime]]]) -> Span:
    for width, unfinished in wanted:
        if floor(at, width) == at and at + width <= end and at not in unfinished:
            return Span(width, at, at + width)
    return Span(BUCKET, at, min(end, floor(at, HOUR) + HOUR))
