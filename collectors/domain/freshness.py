"""Whether the numbers of a database are up to date: apart from whether its agent lives, and whether its source can be read."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

# An interval may pass without anything wrong, and the next collection and its upload take their time.
INTERVALS: Final = 2
MARGIN: Final = timedelta(seconds=60)


def data_until(last_heartbeat: datetime | None, spool: Mapping[str, Any] | None) -> datetime | None:
    """Return until when everything has arrived that the agent has read; None where it has not said so yet.

    An agent tells with its spool how old the newest collection is of which nothing waits any more.
    """
    age = (spool or {}).get("data_age_seconds")
    if last_heartbeat is None or age is None:
        return None
    return last_heartbeat - timedelta(seconds=age)


def is_fresh(until: datetime | None, *, now: datetime, interval_minutes: int) -> bool:
    """Tell whether data that reaches to `until` is as new as collecting every `interval_minutes` lets one expect."""
    return until is not None and now - until <= INTERVALS * timedelta(minutes=interval_minutes) + MARGIN
