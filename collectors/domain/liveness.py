"""When a collector counts as alive, and what a heartbeat makes of its status."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """What is shown of a collector. Only a heartbeat, a command's outcome and the sweep change it."""

    STARTING = "STARTING"
    ONLINE = "ONLINE"
    ERROR = "ERROR"
    STOPPED = "STOPPED"
    OFFLINE = "OFFLINE"


# STOPPED is absent on purpose: it says what an operator wanted and stays true while the host is down.
SWEPT: Final = (Status.STARTING, Status.ONLINE, Status.ERROR)

# Heartbeats that may be missing before a collector counts as late.
LATE_AFTER: Final = 2


class Cause(StrEnum):
    """Why a status changed."""

    REGISTERED = "registered"
    HEARTBEAT = "heartbeat"
    HEARTBEAT_ERROR = "heartbeat with an error"
    START_ACCEPTED = "start accepted"
    START_DONE = "start carried out"
    STOP_DONE = "stop carried out"
    DEADLINE = "no heartbeat before the deadline"


@dataclass(frozen=True)
class Beat:
    """What one heartbeat says about the agent, beside what the backend wants of it.

    `reported_auto_collect` is None when the heartbeat does not say. `start_open` tells whether an accepted `start` still
    waits for its result.
    """

    has_error: bool
    wanted_auto_collect: bool
    reported_auto_collect: bool | None = None
    start_open: bool = False


def after_heartbeat(current: Status, beat: Beat) -> Status:
    """Return the status after a heartbeat.

    A collector that was asked to start stays STARTING until the agent has done it. One that was asked to stop is STOPPED as
    soon as its agent says that it no longer collects, even when the command itself was lost; and it stays so until a start.
    """
    if current is Status.STARTING and beat.start_open:
        return Status.STARTING
    if not beat.wanted_auto_collect and beat.reported_auto_collect is False:
        return Status.STOPPED
    if current is Status.STOPPED and not (beat.wanted_auto_collect and beat.reported_auto_collect):
        return Status.STOPPED
    return Status.ERROR if beat.has_error else Status.ONLINE


def settled_statuses(beat_has_error: bool, reported_auto_collect: bool | None) -> tuple[Status, ...]:  # noqa: FBT001
    """Return the statuses that such a heartbeat leaves as they are, whatever else is stored: the fast path's condition."""
    alive = Status.ERROR if beat_has_error else Status.ONLINE
    if reported_auto_collect is None:
        return alive, Status.STOPPED
    return (alive,) if reported_auto_collect else (Status.STOPPED,)


def is_online(
    last_heartbeat: datetime | None,
    *,
    status: Status,
    now: datetime,
    accepting_since: datetime | None,
    offline_after: timedelta,
) -> bool:
    """Tell whether the collector's deadline lies ahead. Whoever was never heard is not online.

    After an outage of the control plane nobody is held to a deadline that could not have been met: time counts from
    `accepting_since`, when heartbeats were accepted again, if that is later. That is for those who were well when the outage
    began; OFFLINE and STOPPED say nothing of the kind, so there the last heartbeat alone counts.
    """
    if last_heartbeat is None:
        return False
    since = max(last_heartbeat, accepting_since) if accepting_since and status in SWEPT else last_heartbeat
    return now < since + offline_after


def late_before(*, now: datetime, accepting_since: datetime | None, heartbeat: timedelta) -> datetime | None:
    """Return the time before which the last heartbeat of a collector that is ONLINE or in ERROR is late.

    That is once more than LATE_AFTER of them are missing. None while nobody can be late: heartbeats have not been accepted for
    long enough. Being late is no status, for nothing is stored: it says where the sweep will look next.
    """
    cutoff = now - LATE_AFTER * heartbeat
    return cutoff if accepting_since is not None and accepting_since < cutoff else None
