"""When a collector was heard, as far as its statuses tell: single heartbeats leave nothing behind.

The sweep notices every silence that is as long as the deadline, of whoever is wanted to collect; so between two flips without
one there was none. What is not known is not made up: a collector that is stopped is not swept, and while the control plane
itself was away nobody can have been heard.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from collectors.domain.liveness import Cause, Status
from collectors.domain.uptime import Stretch

Period = tuple[datetime, datetime]


class Sound(StrEnum):
    """What was to be heard of a collector."""

    HEARD = "heard"
    ERRORS = "errors"
    SILENT = "silent"
    # Registered, and not heard for the first time yet.
    AWAITED = "awaited"
    # Silence would not be noticed.
    STOPPED = "stopped"
    # Nobody could be heard.
    OUTAGE = "outage"


@dataclass(frozen=True)
class Hearing:
    """What was to be heard from one moment to another. `noticed_at` is when a silence made the collector OFFLINE."""

    since: datetime
    until: datetime
    sound: Sound
    detail: str = ""
    noticed_at: datetime | None = None

    @property
    def length(self) -> timedelta:
        """How long it was."""
        return self.until - self.since


def hearings(
    parts: Sequence[Stretch],
    *,
    outages: Iterable[Period] = (),
    silent_since: datetime | None = None,
) -> list[Hearing]:
    """Return what was to be heard during statuses that follow each other, oldest first.

    `silent_since` is the last heartbeat of a collector from which another is overdue now, and that is not OFFLINE yet.
    """
    found: list[Hearing] = []
    for part in parts:
        one = _of(part, found[-1].sound if found else None)
        if one.sound is Sound.SILENT and found and one.since < found[-1].until:
            _end(found, one.since)
        if found and _is_one_more(found[-1], one):
            found[-1] = replace(found[-1], until=one.until)
        else:
            found.append(one)
    if silent_since is not None and found and found[-1].sound in (Sound.HEARD, Sound.ERRORS):
        until = found[-1].until
        _end(found, silent_since)
        found.append(Hearing(silent_since, until, Sound.SILENT))
    return _with_outages(found, outages)


def _of(part: Stretch, before: Sound | None) -> Hearing:
    if part.status is Status.OFFLINE:
        if part.last_heartbeat is None and before is Sound.AWAITED:
            return Hearing(part.since, part.until, before)
        since = part.last_heartbeat or part.since
        return Hearing(since, part.until, Sound.SILENT, noticed_at=part.flipped_at or part.since)
    if part.status is Status.STARTING:
        # A start is accepted of one that is heard as of one that is not; nothing is changed by it.
        unheard = Sound.AWAITED if part.cause == Cause.REGISTERED else before
        return Hearing(part.since, part.until, unheard or Sound.HEARD)
    sound = {Status.ERROR: Sound.ERRORS, Status.STOPPED: Sound.STOPPED}.get(part.status, Sound.HEARD)
    return Hearing(part.since, part.until, sound, part.detail)


def _is_one_more(last: Hearing, one: Hearing) -> bool:
    return last.sound is one.sound and last.detail == one.detail and one.noticed_at is None


def _end(found: list[Hearing], at: datetime) -> None:
    """End what was before at that moment: what began later was not."""
    while found and found[-1].since >= at:
        found.pop()
    if found:
        found[-1] = replace(found[-1], until=min(found[-1].until, at))


def _with_outages(found: list[Hearing], outages: Iterable[Period]) -> list[Hearing]:
    """Cut out of what was heard the times in which nobody could be."""
    for began, ended in outages:
        cut: list[Hearing] = []
        for one in found:
            since, until = max(one.since, began), min(one.until, ended)
            if since >= until or one.sound not in (Sound.HEARD, Sound.ERRORS):
                cut.append(one)
                continue
            parts = (replace(one, until=since), Hearing(since, until, Sound.OUTAGE), replace(one, since=until))
            cut += [part for part in parts if part.since < part.until]
        found = cut
    return found


def heard_share(found: Iterable[Hearing], *, since: datetime) -> float | None:
    """Return the share of the time from `since` on in which the collector was heard, of that in which it could have been.

    A silence that began before counts from `since` on. None without such time.
    """
    known = [one for one in found if one.sound in (Sound.HEARD, Sound.ERRORS, Sound.SILENT)]
    whole = sum((_from(since, one) for one in known), timedelta())
    heard = sum((_from(since, one) for one in known if one.sound is not Sound.SILENT), timedelta())
    return heard / whole if whole else None


def _from(since: datetime, one: Hearing) -> timedelta:
    return one.until - max(one.since, since)
