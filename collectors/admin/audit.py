"""Who did what."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import ago
from collectors.admin.filters import PeriodFilter, ScopedRelatedFilter
from collectors.admin.site import site
from collectors.domain.roles import Permission
from collectors.models import AuditEntry, Organization
from collectors.services import audit_export


@admin.register(AuditEntry, site=site)
class AuditEntryAdmin(ScopedModelAdmin):
    """Every act and who did it, newest first. Nobody changes or removes an entry here."""

    view_permission = Permission.AUDIT_VIEW
    list_display = ["when", "actor", "action", "object_type", "object_label", "address", "organization"]
    list_filter = [("organization", ScopedRelatedFilter), ("created_at", PeriodFilter)]
    list_select_related = ["organization"]
    search_fields = ["actor", "action", "object_label", "address"]
    sortable_by = ["when"]
    list_before_template = "admin/dbpower/audit_export.html"  # type: ignore[assignment] # declared as None
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
        "tenant",
        "position",
        "seal",
    ]
    readonly_fields = ["tenant", "position", "seal"]

    def get_urls(self) -> list[URLPattern]:
        """Add the address of the export."""
        view = self.admin_site.admin_view(self.export)
        return [path("export/", view, name=self._view_name("export")), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Return what the list shows, all pages of it, as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        entries = self.get_changelist_instance(request).get_queryset(request)
        disposition = f'attachment; filename="{audit_export.FILE_NAME}"'
        return StreamingHttpResponse(
            audit_export.lines(entries),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": disposition},
        )

    @admin.display(description=_("Organization"))
    def tenant(self, entry: AuditEntry) -> str:
        """Return the organization's name, or its number when it is gone."""
        if entry.organization_id is None:
            return pgettext("organization", "none")
        name = Organization.objects.filter(pk=entry.organization_id).values_list("name", flat=True).first()
        return name or gettext("%(id)d, which is gone") % {"id": entry.organization_id}

    @admin.display(description=_("When"), ordering="id")
    def when(self, entry: AuditEntry) -> str:
        """Return how long ago it was."""
        return ago(entry.created_at)
