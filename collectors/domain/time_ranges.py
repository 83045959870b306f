"""The stretch of time that a page tells of: a preset that ends now, or any two moments, and how finely it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from collectors.domain import periods

PRESETS: Final = {
    "hour": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
    "quarter": timedelta(days=90),
}
DEFAULT: Final = "day"
_BEGIN_WITH: Final = {"month": periods.DAY, "quarter": periods.WEEK}
SHORTEST: Final = 3 * periods.BUCKET
# Nothing is older, and what lies around the year 1 cannot be reckoned with.
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Each is a whole number of the slots that numbers are stored in.
_WIDTHS: Final = (
    periods.BUCKET,
    3 * periods.BUCKET,
    periods.HOUR / 2,
    periods.HOUR,
    3 * periods.HOUR,
    6 * periods.HOUR,
    periods.DAY,
    3 * periods.DAY,
    periods.WEEK,
    4 * periods.WEEK,
)


@dataclass(frozen=True)
class TimeRange:
    """From `since` to before `until`. `preset` is its name in PRESETS, empty for two chosen moments."""

    since: datetime
    until: datetime
    preset: str = ""

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.until - self.since

    def slot(self, *, most: int) -> timedelta:
        """Return the width of slots that draw it in at most `most` of them, or the widest there is."""
        return next((width for width in _WIDTHS if self.length <= most * width), _WIDTHS[-1])

    def coarse_slot(self, *, most: int) -> timedelta:
        """Return the width to draw very many rows in: days are rolled up to weeks, and to nothing in between."""
        width = self.slot(most=most)
        return width if width <= periods.DAY else max(width, periods.WEEK)

    def before(self, distance: timedelta | None = None) -> "TimeRange":
        """Return the range of the same length that lies `distance` earlier, or ends where this one begins."""
        distance = distance or self.length
        return TimeRange(self.since - distance, self.until - distance)

    def wider(self, *, now: datetime) -> "TimeRange":
        """Return the range of twice the length around the same middle, which does not reach beyond now."""
        until = min(self.until + self.length / 2, now)
        return TimeRange(until - 2 * self.length, until)

    def after(self, *, now: datetime) -> "TimeRange":
        """Return the range of the same length that follows, moved back where it would reach beyond now."""
        until = min(self.until + self.length, now)
        return TimeRange(until - self.length, until)


def preset(name: str, *, now: datetime) -> TimeRange:
    """Return the preset of that name that ends now; a name that is none is the default.

    Long ones begin with a whole day or week (UTC, `periods`): what lies before it in a slot need not be read one by one, and
    charts begin where the numbers do.
    """
    name = name if name in PRESETS else DEFAULT
    since = now - PRESETS[name]
    return TimeRange(periods.floor(since, _BEGIN_WITH[name]) if name in _BEGIN_WITH else since, now, name)


def between(since: datetime, until: datetime, *, now: datetime, longest: timedelta) -> TimeRange:
    """Return the range of two moments, whichever comes first: not beyond now, not too short to be drawn, not too long."""
    since, until = sorted(max(at, _EARLIEST) for at in (since, until))
    until = min(until, now)
    since = min(since, until - SHORTEST)
    return TimeRange(max(since, until - longest), until)


def starts(since: datetime, until: datetime, width: timedelta) -> Sequence[datetime]:
    """Return the beginnings of the slots that a range touches, oldest first."""
    first = periods.floor(since, width)
    return [first + number * width for number in range(-(-(until - first) // width))]
