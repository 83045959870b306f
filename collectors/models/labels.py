"""How the closed lists of the domain read to people, in their language. What is stored and what the API says stays as it is."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from collectors.domain.commands import CommandState, CommandType
from collectors.domain.leases import HaRole
from collectors.domain.liveness import Cause

COMMANDS: Final[Mapping[CommandType, Any]] = {
    CommandType.START: pgettext_lazy("command", "start"),
    CommandType.STOP: pgettext_lazy("command", "stop"),
    CommandType.COLLECT: pgettext_lazy("command", "collect"),
    CommandType.UPDATE_CONFIG: pgettext_lazy("command", "update_config"),
    CommandType.AUDIT: pgettext_lazy("command", "audit"),
    CommandType.EXPLAIN: pgettext_lazy("command", "explain"),
}
COMMAND_STATES: Final[Mapping[CommandState, Any]] = {
    CommandState.PENDING: pgettext_lazy("state of a command", "pending"),
    CommandState.DELIVERED: pgettext_lazy("state of a command", "delivered"),
    CommandState.SUCCEEDED: pgettext_lazy("state of a command", "succeeded"),
    CommandState.FAILED: pgettext_lazy("state of a command", "failed"),
    CommandState.EXPIRED: pgettext_lazy("state of a command", "expired"),
    CommandState.CANCELLED: pgettext_lazy("state of a command", "cancelled"),
}
CAUSES: Final[Mapping[Cause, Any]] = {
    Cause.REGISTERED: _("registered"),
    Cause.HEARTBEAT: _("heartbeat"),
    Cause.HEARTBEAT_ERROR: _("heartbeat with an error"),
    Cause.START_ACCEPTED: _("start accepted"),
    Cause.START_DONE: _("start carried out"),
    Cause.STOP_DONE: _("stop carried out"),
    Cause.DEADLINE: _("no heartbeat before the deadline"),
}
HA_ROLES: Final[Mapping[HaRole, Any]] = {
    HaRole.ACTIVE: pgettext_lazy("role of a collector", "active"),
    HaRole.STANDBY: pgettext_lazy("role of a collector", "standby"),
}


def choices(labels: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    """Return a closed list as a field's choices."""
    return [(member.value, label) for member, label in labels.items()]


def label_of(labels: Mapping[Any, Any], member: StrEnum | str) -> str:
    """Return how a member of a closed list reads; one that the list does not know as it is."""
    return str(labels.get(member, member))
