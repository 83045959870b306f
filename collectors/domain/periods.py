"""Slots of time: the five minutes, the hour and the day (all UTC) that a moment falls in."""

from datetime import UTC, datetime, timedelta
from typing import Final

BUCKET: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def floor(at: datetime, width: timedelta) -> datetime:
    """Return the beginning of the slot of that width that a moment falls in; slots are counted from 1970 on."""
    return _EPOCH + (at - _EPOCH) // width * width
