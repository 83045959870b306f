"""What is known to be missing from the numbers."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import ago, number
from collectors.admin.filters import ChoicesDropdownFilter, ScopedRelatedFilter
from collectors.admin.site import site
from collectors.domain.roles import Permission
from collectors.models import Gap


@admin.register(Gap, site=site)
class GapAdmin(ScopedModelAdmin):
    """Known gaps, newest first. Read only."""

    view_permission = Permission.QUERY_VIEW
    list_display = ["until", "database", "source", "kind", "how_much", "covered_from", "covered_to"]
    list_filter = [
        ("database", ScopedRelatedFilter),
        ("kind", ChoicesDropdownFilter),
        ("source", ChoicesDropdownFilter),
    ]
    list_select_related = ["database"]
    sortable_by = ["until"]
    ordering = ["-covered_to", "-id"]
    fields = ["database", "source", "kind", "how_much", "covered_from", "covered_to", "detail", "created_at"]

    @admin.display(description=_("Until"), ordering="covered_to")
    def until(self, gap: Gap) -> str:
        """Return how long ago the gap ended."""
        return ago(gap.covered_to)

    @admin.display(description=_("Amount"))
    def how_much(self, gap: Gap) -> str:
        """Return how much is missing, as far as it can be known."""
        return pgettext("amount", "unknown") if gap.amount is None else number(gap.amount)
