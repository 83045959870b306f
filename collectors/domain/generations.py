"""The life of a source's counters: what a snapshot of a new one may be counted from."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Base(StrEnum):
    """What a snapshot is compared with."""

    STORED = "the last snapshot of the same generation"
    ZERO = "zero"
    ITSELF = "itself"


@dataclass(frozen=True)
class Known:
    """The last snapshot that was applied: of which server, and when it was taken by the backend's clock."""

    server_id: str
    taken_at: datetime


def base_of(
    *, has_baseline: bool, latest: Known | None, server_id: str, age_seconds: float | None, taken_at: datetime
) -> Base:
    """Return what to compare a snapshot with.

    `has_baseline` tells whether its generation is known, `latest` is the source's last snapshot of any generation,
    `age_seconds` how long before `taken_at` the generation began (None when the server does not say). A new generation
    counts from zero only when it surely began after the last snapshot of the same server: then everything in it is new. Else
    the snapshot only becomes the baseline, and the caller records the gap.
    """
    if has_baseline:
        return Base.STORED
    if latest is None or latest.server_id != server_id or age_seconds is None:
        return Base.ITSELF
    began_at = taken_at - timedelta(seconds=age_seconds)
    return Base.ZERO if began_at >= latest.taken_at else Base.ITSELF


def evicted(base: Base, before: int | None, now: int | None) -> int | None:
    """Return how often the source threw rows out since the last snapshot; None when nobody can tell.

    `before` and `now` count since the generation began. Only the difference of two snapshots is safe from restarts of
    the agent in between.
    """
    if now is None or base is Base.ZERO:
        return now
    if base is Base.ITSELF:
        # The gap of the new generation says already that nothing is known about what went before.
        return 0
    return None if before is None else max(0, now - before)
