"""System checks: settings that work but bite later, with an id and a hint."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning


@register()
def check_pace(**_: Any) -> list[CheckMessage]:
    """The offline deadline must leave room for a lost heartbeat, and commands must outlive a heartbeat."""
    problems: list[CheckMessage] = []
    heartbeat = settings.DBPOWER_HEARTBEAT_SECONDS
    if 2 * heartbeat > settings.DBPOWER_OFFLINE_AFTER_SECONDS:
        problems.append(
            CheckWarning(
                "DBPOWER_OFFLINE_AFTER_SECONDS is less than two heartbeats: one lost packet would flag a collector.",
                hint=f"Set it to at least {2 * heartbeat}, or lower DBPOWER_HEARTBEAT_SECONDS.",
                id="collectors.W001",
            )
        )
    if 2 * heartbeat > settings.DBPOWER_COMMAND_TTL_SECONDS:
        problems.append(
            CheckWarning(
                "DBPOWER_COMMAND_TTL_SECONDS is less than two heartbeats: commands would expire before they arrive.",
                hint=f"Set it to at least {2 * heartbeat}, or lower DBPOWER_HEARTBEAT_SECONDS.",
                id="collectors.W002",
            )
        )
    return problems
