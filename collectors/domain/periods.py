"""Slots of time: the five minutes, the hour and the day (all UTC) that a moment falls in."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

BUCKET: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
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
    unfinished_hours: Collection[datetime],
    unfinished_days: Collection[datetime],
    widest: timedelta = DAY,
) -> list[Span]:
    """Return how to read the buckets that begin from `since` to before `until`, each once: in days and hours where whole ones
    lie within, in buckets elsewhere. No slot is wider than `widest`.

    Unfinished are the slots whose roll-up has yet to be made or made anew; a day with an unfinished hour is unfinished too.
    """
    at, end = ceil(since, BUCKET), ceil(until, BUCKET)
    days = {*unfinished_days, *(floor(hour, DAY) for hour in unfinished_hours)}
    found: list[Span] = []
    while at < end:
        step = _step(at, end, unfinished_hours, days, widest)
        if found and found[-1].width == step.width:
            step = Span(step.width, found.pop().since, step.until)
        found.append(step)
        at = step.until
    return found


def _step(
    at: datetime, end: datetime, hours: Collection[datetime], days: Collection[datetime], widest: timedelta
) -> Span:
    if widest >= DAY and floor(at, DAY) == at and at + DAY <= end and at not in days:
        return Span(DAY, at, at + DAY)
    if widest >= HOUR and floor(at, HOUR) == at and at + HOUR <= end and at not in hours:
        return Span(HOUR, at, at + HOUR)
    return Span(BUCKET, at, min(end, floor(at, HOUR) + HOUR))
