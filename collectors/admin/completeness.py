"""What is known to be missing from the numbers."""

from django.contrib import admin

from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import ago
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
    fields = ["database", "source", "kind", "how_much", "covered_from", "covered_to", "detail", "created_at"]

    @admin.display(description="Until", ordering="covered_to")
    def until(self, gap: Gap) -> str:
        """Return how long ago the gap ended."""
        return ago(gap.covered_to)

    @admin.display(description="Amount", ordering="amount")
    def how_much(self, gap: Gap) -> str:
        """Return how much is missing, as far as it can be known."""
        return "unknown" if gap.amount is None else f"{gap.amount:,}"
