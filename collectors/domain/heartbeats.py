"""What an agent reports, and how its counts become totals."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Report:
    """What one heartbeat says. Counts are those of the agent process `instance` since it started; None means unsaid."""

    instance: str = ""
    version: str = ""
    queries_collected: int | None = None
    errors_count: int | None = None
    uptime_seconds: int | None = None
    # What the wall clock of the agent's host showed as it sent this, in seconds since 1970 (UTC). It decides nothing.
    agent_clock_seconds: float | None = None
    auto_collect: bool | None = None
    config_version: int | None = None
    last_collection_age_seconds: float | None = None
    stopping: bool = False
    source: dict[str, Any] | None = None
    spool: dict[str, Any] | None = None
    error: str = ""
    address: str = ""


def increase(*, last: int, value: int, instance: str, same_process: bool) -> int:
    """Return what a count since the agent's start adds to the total.

    Within one process the count only grows, so a smaller one is a late heartbeat. A process that does not name itself is
    taken to have restarted when its count fell.
    """
    if same_process or (not instance and value >= last):
        return max(0, value - last)
    return value
