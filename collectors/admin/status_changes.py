"""The history of statuses."""

from django.contrib import admin
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import STATUS_COLOURS, ago
from collectors.admin.filters import ChoicesDropdownFilter
from collectors.admin.site import site
from collectors.domain.roles import Permission
from collectors.models import StatusChange


@admin.register(StatusChange, site=site)
class StatusChangeAdmin(ScopedModelAdmin):
    """Flips of collectors' statuses, newest first. Read only."""

    view_permission = Permission.COLLECTOR_VIEW
    list_display = ["when", "collector", "before", "after", "cause", "detail"]
    list_display_links = None
    list_filter = [("new_status", ChoicesDropdownFilter), ("cause", ChoicesDropdownFilter)]
    list_select_related = ["collector"]
    search_fields = ["collector__name"]
    searched_through = "collector"
    sortable_by = ["when"]
    fields = ["collector", "old_status", "new_status", "cause", "detail", "last_heartbeat", "changed_at"]

    @admin.display(description=_("When"), ordering="id")
    def when(self, change: StatusChange) -> str:
        """Return how long ago it was."""
        return ago(change.changed_at)

    @display(description=_("From"), label=STATUS_COLOURS)  # type: ignore[arg-type] # a lazy text
    def before(self, change: StatusChange) -> str:
        """Return the old status as a label."""
        return change.old_status or gettext("new")

    @display(description=_("To"), label=STATUS_COLOURS)  # type: ignore[arg-type] # a lazy text
    def after(self, change: StatusChange) -> str:
        """Return the new status as a label."""
        return change.new_status
