"""How long a collector was in which status: from the flips of it, in which every change is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from collectors.domain.liveness import Status

# What says nothing of how well a collector did: it was not there to be heard yet, or was not wanted to collect.
_NOT_COUNTED: Final = (Status.STARTING, Status.STOPPED)


@dataclass(frozen=True)
class Flip:
    """A status that began at a moment, and why."""

    at: datetime
    status: Status
    cause: str
    # What the agent complained of, and when it had last been heard, as far as either is known.
    detail: str = ""
    last_heartbeat: datetime | None = None


@dataclass(frozen=True)
class Stretch:
    """A status from one moment to another. `cause`, `detail` and `last_heartbeat` are those of the flip it began with."""

    since: datetime
    until: datetime
    status: Status
    cause: str
    detail: str = ""
    last_heartbeat: datetime | None = None
    # When the flip was, which may have been before the period that is looked at.
    flipped_at: datetime | None = field(default=None, compare=False)

    @property
    def length(self) -> timedelta:
        """How long it was."""
        return self.until - self.since


def stretches(flips: Iterable[Flip], *, since: datetime, until: datetime) -> list[Stretch]:
    """Return the statuses of a period, oldest first. `flips` are in the order in which they happened, from before the period on.

    What was before the first flip is left out: nothing is known of it.
    """
    found: list[Stretch] = []
    present: Flip | None = None
    for flip in flips:
        if present is not None:
            _add(found, present, flip.at, since, until)
        present = flip
    if present is not None:
        _add(found, present, until, since, until)
    return found


def _add(found: list[Stretch], flip: Flip, end: datetime, since: datetime, until: datetime) -> None:
    begin, end = max(flip.at, since), min(end, until)
    if begin < end:
        found.append(Stretch(begin, end, flip.status, flip.cause, flip.detail, flip.last_heartbeat, flip.at))


def shares(parts: Sequence[Stretch]) -> dict[Status, float]:
    """Return the share of each status in the time that is known, from 0 to 1."""
    whole = sum((part.length for part in parts), timedelta())
    totals: dict[Status, timedelta] = {}
    for part in parts:
        totals[part.status] = totals.get(part.status, timedelta()) + part.length
    return {status: total / whole for status, total in totals.items()} if whole else {}


def uptime(parts: Sequence[Stretch]) -> float | None:
    """Return the share of ONLINE in the time in which the collector was wanted to collect, from 0 to 1; None without such time."""
    counted = [part for part in parts if part.status not in _NOT_COUNTED]
    whole = sum((part.length for part in counted), timedelta())
    online = sum((part.length for part in counted if part.status is Status.ONLINE), timedelta())
    return online / whole if whole else None
