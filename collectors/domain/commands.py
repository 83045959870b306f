"""Commands to collectors: the closed list, their states and which state may follow which."""

from enum import StrEnum
from typing import Final


class CommandType(StrEnum):
    """What an agent can be told to do. Nothing else is ever sent, and none carries SQL or a shell word."""

    START = "start"
    STOP = "stop"
    COLLECT = "collect"
    UPDATE_CONFIG = "update_config"
    AUDIT = "audit"
    EXPLAIN = "explain"


class CommandState(StrEnum):
    """Where a command is: pending → delivered → succeeded, failed, expired or cancelled."""

    PENDING = "pending"
    DELIVERED = "delivered"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN: Final = (CommandState.PENDING, CommandState.DELIVERED)
EXECUTED: Final = (CommandState.SUCCEEDED, CommandState.FAILED)
# These two set the same thing, so a newer one of either makes the older ones void.
SETS_COLLECTION: Final = (CommandType.START, CommandType.STOP)


def outcome(*, success: bool) -> CommandState:
    """Return the state that a report of the agent puts a command in."""
    return CommandState.SUCCEEDED if success else CommandState.FAILED
