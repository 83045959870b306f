"""Commands: what was asked of collectors and what became of it."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from collectors.access import with_requesters
from collectors.admin import signed_in
from collectors.admin.actions import scoped_action
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import NOTHING, STATE_COLOURS, ago, requester_of
from collectors.admin.filters import ChoicesDropdownFilter
from collectors.admin.site import site
from collectors.domain import commands as states
from collectors.domain.actors import Actor
from collectors.domain.roles import Permission
from collectors.models import Command
from collectors.services import commands


@admin.register(Command, site=site)
class CommandAdmin(ScopedModelAdmin):
    """Read only, but for cancelling what has not ended. Commands are asked for on the collectors."""

    view_permission = Permission.COLLECTOR_VIEW
    list_display = ["id", "collector", "command", "shown_state", "asked_by", "asked", "ended"]
    list_display_links = ["id"]
    list_filter = [("state", ChoicesDropdownFilter), ("command", ChoicesDropdownFilter)]
    list_select_related = ["collector", "requested_by"]
    search_fields = ["collector__name"]
    searched_through = "collector"
    sortable_by = ["id", "asked"]
    fields = [
        "collector",
        "command",
        "state",
        "told_result",
        "asked_by",
        "created_at",
        "expires_at",
        "delivered_at",
        "ended_at",
    ]
    readonly_fields = ["asked_by", "told_result"]
    actions = ["cancel"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Command]:
        """Return the commands with those who asked for them, as far as they may be seen."""
        return with_requesters(super().get_queryset(request), signed_in.principal(request))

    @admin.display(description=_("Requested by"))
    def asked_by(self, command: Command) -> str:
        """Return who asked for it."""
        return requester_of(command)

    @display(description=_("State"), label=STATE_COLOURS)  # type: ignore[arg-type] # a lazy text
    def shown_state(self, command: Command) -> tuple[str, str]:
        """Return the state as a label."""
        return command.state, command.get_state_display()

    @admin.display(description=_("Result"))
    def told_result(self, command: Command) -> Any:
        """Return what the agent reported."""
        if command.result is None:
            return NOTHING
        told = json.dumps(command.result, indent=2, ensure_ascii=False)
        return format_html('<code class="dbpower-whole-statement">{}</code>', told)

    @admin.display(description=_("Asked"), ordering="id")
    def asked(self, command: Command) -> str:
        """Return how long ago it was asked for."""
        return ago(command.created_at)

    @admin.display(description=_("Ended"))
    def ended(self, command: Command) -> str:
        """Return how long ago it ended."""
        return ago(command.ended_at)

    @scoped_action(
        permission=Permission.COLLECTOR_COMMAND,
        label=_("Cancel"),
        icon="cancel",
        done=_("Cancelled: {names}."),
        offered=lambda command: command.state in states.OPEN,
    )
    def cancel(self, row: Any, actor: Actor) -> Any:
        """Cancel a command that has not ended."""
        return commands.cancel_command(command=row, actor=actor)
