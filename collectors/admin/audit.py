"""Who did what."""

from django.contrib import admin

from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import ago
from collectors.admin.filters import ScopedRelatedFilter
from collectors.admin.site import site
from collectors.domain.roles import Permission
from collectors.models import AuditEntry


@admin.register(AuditEntry, site=site)
class AuditEntryAdmin(ScopedModelAdmin):
    """Every act and who did it, newest first. Nobody changes or removes an entry here."""

    view_permission = Permission.AUDIT_VIEW
    list_display = ["when", "actor", "action", "object_type", "object_label", "address", "organization"]
    list_filter = [("organization", ScopedRelatedFilter)]
    list_select_related = ["organization"]
    search_fields = ["actor", "action", "object_label"]
    fields = [
        "created_at",
        "actor",
        "action",
        "object_type",
        "object_id",
        "object_label",
        "before",
        "after",
        "address",
        "organization",
    ]

    @admin.display(description="When", ordering="created_at")
    def when(self, entry: AuditEntry) -> str:
        """Return how long ago it was."""
        return ago(entry.created_at)
