"""When did a logged statement run? The log's clock is in the zone of whichever session ran it, and does not say which.

Rows that one read found and the read before did not were written between the two, by the server's clock. Zones differ
by quarter hours: the offset that moves a row into that window is the session's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

QUARTER: Final = 900
# Kiribati is 14 hours ahead of UTC, Baker Island 12 behind; MySQL takes offsets from -13:59 to +14:00.
LOWEST_OFFSET: Final = -14 * 3600
HIGHEST_OFFSET: Final = 14 * 3600
# A row is written after its client has the answer, and the two clock readings around it are not one.
SLACK_SECONDS: Final = 2.0
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """Rows were written after `since` (None: any time) and not after `until`, both UTC by the server's clock."""

    since: datetime | None
    until: datetime


@dataclass(frozen=True)
class ResolvedTime:
    """The end of an execution in UTC. `approximate` when more than one zone, or none, fits."""

    end: datetime
    approximate: bool


def resolve_end(wall_clock_end: datetime, window: Window, *, server_offset: int) -> ResolvedTime:
    """Find the zone of one row. `wall_clock_end` carries the session's local time labelled as UTC.

    `server_offset` (seconds east of UTC) is the server's own zone: the best guess where the window decides nothing.
    """
    guess = wall_clock_end - timedelta(seconds=server_offset)
    if window.since is None:
        return ResolvedTime(_not_after(guess, window.until), approximate=True)
    offsets = fitting_offsets(wall_clock_end, window)
    if len(offsets) == 1:
        return ResolvedTime(_not_after(wall_clock_end - timedelta(seconds=offsets[0]), window.until), approximate=False)
    if not offsets:
        # No zone fits: the server's clock was set, or the row is damaged. It was written inside the window.
        return ResolvedTime(min(max(guess, window.since), window.until), approximate=True)
    best = min(offsets, key=lambda offset: (offset != server_offset, offset != 0, abs(offset - server_offset)))
    return ResolvedTime(_not_after(wall_clock_end - timedelta(seconds=best), window.until), approximate=True)


def fitting_offsets(wall_clock_end: datetime, window: Window) -> list[int]:
    """All offsets, in seconds and multiples of a quarter hour, that put the row into the window."""
    since = window.since or EARLIEST
    lowest = (wall_clock_end - window.until).total_seconds() - SLACK_SECONDS
    highest = (wall_clock_end - since).total_seconds() + SLACK_SECONDS
    first = max(math.ceil(lowest / QUARTER) * QUARTER, LOWEST_OFFSET)
    last = min(math.floor(highest / QUARTER) * QUARTER, HIGHEST_OFFSET)
    return list(range(first, last + 1, QUARTER))


def _not_after(moment: datetime, latest: datetime) -> datetime:
    return min(moment, latest)
