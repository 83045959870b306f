"""Who did what."""

from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from collectors.access import visible_to
from collectors.admin import signed_in
from collectors.admin.base import MAX_ID_DIGITS, ScopedModelAdmin
from collectors.admin.display import ago
from collectors.admin.filters import DropdownFilter, PeriodFilter, ScopedRelatedFilter
from collectors.admin.site import site
from collectors.domain import acts
from collectors.domain.roles import Permission
from collectors.models import AuditEntry, Organization, User
from collectors.services import audit_export

_PEOPLE_OFFERED: Final = 200


class ActionFilter(DropdownFilter):
    """What was done, out of all that can be."""

    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the names of all acts."""
        return [(action, action) for action in acts.ACTIONS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:  # noqa: ARG002
        """Return the entries of that act."""
        return queryset.filter(action=self.value()) if self.value() else queryset


class ObjectTypeFilter(DropdownFilter):
    """The kind of what something was done to."""

    title = _("object type")
    parameter_name = "object_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return all kinds."""
        return [(kind, kind) for kind in acts.OBJECT_TYPES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:  # noqa: ARG002
        """Return the entries about that kind."""
        return queryset.filter(object_type=self.value()) if self.value() else queryset


class PersonFilter(DropdownFilter):
    """Who did it, out of those that may be seen: the first of them by address. The search finds anybody else's entries."""

    title = _("person")
    parameter_name = "user_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return people by their addresses."""
        people = visible_to(User.objects.all(), signed_in.principal(request)).order_by("email")
        return [(str(pk), email) for pk, email in people.values_list("pk", "email")[:_PEOPLE_OFFERED]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:  # noqa: ARG002
        """Return what that person did."""
        wanted = self.value()
        if not wanted:
            return queryset
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) <= MAX_ID_DIGITS):
            return queryset.none()
        return queryset.filter(user_id=int(wanted))


@admin.register(AuditEntry, site=site)
class AuditEntryAdmin(ScopedModelAdmin):
    """Every act and who did it, newest first. Nobody changes or removes an entry here."""

    view_permission = Permission.AUDIT_VIEW
    list_display = ["when", "actor", "action", "object_type", "object_label", "address", "organization"]
    list_filter = [
        ("organization", ScopedRelatedFilter),
        ("created_at", PeriodFilter),
        ActionFilter,
        ObjectTypeFilter,
        PersonFilter,
    ]
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
        try:
            entries = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"{self._address('changelist')}?{ERROR_FLAG}=1")
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
