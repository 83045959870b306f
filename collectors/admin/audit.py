"""Who did what."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.filters import ListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from collectors.access import visible_to
from collectors.admin import signed_in, time_range
from collectors.admin.audit_sentences import ACTS, OBJECTS
from collectors.admin.audit_words import tell
from collectors.admin.base import MAX_ID_DIGITS, ScopedModelAdmin
from collectors.admin.display import ago
from collectors.admin.filters import DropdownFilter, ScopedRelatedFilter
from collectors.admin.lists import BoundedList
from collectors.admin.site import site
from collectors.domain import acts, time_ranges
from collectors.domain.roles import Permission
from collectors.domain.time_ranges import TimeRange
from collectors.models import AuditEntry, Organization, User
from collectors.services import audit_export

_PEOPLE_OFFERED: Final = 200


class ActionFilter(DropdownFilter):
    """What was done, out of all that can be."""

    title = _("act")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the names of all acts."""
        return sorted(
            ((action, str(ACTS[action][0]) if action in ACTS else action) for action in acts.ACTIONS),
            key=lambda choice: choice[1].casefold(),
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:  # noqa: ARG002
        """Return the entries of that act."""
        return queryset.filter(action=self.value()) if self.value() else queryset


class ObjectTypeFilter(DropdownFilter):
    """The kind of what something was done to."""

    title = _("kind of object")
    parameter_name = "object_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return all kinds."""
        return sorted(
            ((kind, str(OBJECTS.get(kind, kind))) for kind in acts.OBJECT_TYPES), key=lambda choice: choice[1]
        )

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


class RangeFilter(ListFilter):
    """The stretch of time of the control above the list (`collectors.admin.time_range`). Without one, all there is."""

    title = _("Period")
    template = "admin/dbpower/nothing.html"
    PARAMETERS: Final = time_range.PARAMETERS

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.PARAMETERS:
            params.pop(name, None)
        self._shown = range_of(request)

    def expected_parameters(self) -> list[str | None]:
        """Return the names of what the control sends."""
        return list(self.PARAMETERS)

    def has_output(self) -> bool:
        """Say that it filters; its control is above the list."""
        return True

    def choices(self, changelist: Any) -> Iterator[Any]:  # noqa: ARG002
        """Return nothing to choose from here."""
        return iter(())

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:  # noqa: ARG002
        """Return the entries of that time."""
        if self._shown is None:
            return queryset
        return queryset.filter(created_at__gte=self._shown.since, created_at__lt=self._shown.until)


def range_of(request: HttpRequest) -> TimeRange | None:
    """Return the stretch of time that the address asks for, None where it says nothing of time."""
    return time_range.of(request) if any(request.GET.get(name) for name in time_range.PARAMETERS) else None


class AuditList(BoundedList):
    """The list of the audit: each entry of the page in words, with what it leads to."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, and tell it."""
        super().get_results(request)
        for told in tell(self.result_list, signed_in.principal(request)):
            told.entry.__dict__["told"] = told


@admin.register(AuditEntry, site=site)
class AuditEntryAdmin(ScopedModelAdmin):
    """Every act and who did it, newest first. Nobody changes or removes an entry here."""

    view_permission = Permission.AUDIT_VIEW
    list_display = ["when", "what", "address", "organization"]
    list_filter = [
        RangeFilter,
        ("organization", ScopedRelatedFilter),
        ActionFilter,
        ObjectTypeFilter,
        PersonFilter,
    ]
    list_select_related = ["organization"]
    search_fields = ["actor", "action", "object_label", "address"]
    search_help_text = _("Who, what or from where: an e-mail address, a name, an act")
    sortable_by = ["when"]
    list_before_template = "admin/dbpower/audit_tools.html"  # type: ignore[assignment] # declared as None
    empty_text = _("Nothing was done yet that is written down, or nothing fits what you asked for.")
    fields = [
        "what",
        "created_at",
        "actor",
        "action",
        "object_type",
        "object_id",
        "object_label",
        "was",
        "became",
        "address",
        "tenant",
        "position",
        "seal",
    ]
    readonly_fields = ["what", "was", "became", "tenant", "position", "seal"]

    def get_urls(self) -> list[URLPattern]:
        """Add the address of the export."""
        view = self.admin_site.admin_view(self.export)
        return [path("export/", view, name=self._view_name("export")), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Return what the list shows, all pages of it, as CSV or JSON."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        # Not a filter of the list, which would refuse it.
        asked = request.GET.copy()
        form = audit_export.FORMS.get(asked.pop("format", ["csv"])[-1], audit_export.FORMS["csv"])
        request.GET = asked  # type: ignore[assignment] # as it would have come
        try:
            entries = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"{self._address('changelist')}?{ERROR_FLAG}=1")
        return StreamingHttpResponse(
            form.lines(entries),
            content_type=form.content_type,
            headers={"Content-Disposition": f'attachment; filename="{form.file_name}"'},
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the list that tells its entries."""
        return AuditList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Answer the list, with the control of time above it."""
        shown = range_of(request)
        control = time_range.control(request, shown or time_ranges.preset("week", now=timezone.now()))
        presets = [choice if shown else replace(choice, chosen=False) for choice in control.presets]
        everything = time_range.address(request)
        control = replace(control, presets=[time_range.Choice(gettext("All"), everything, shown is None), *presets])
        export = time_range.all_but_page(request)
        return super().changelist_view(request, {**(extra_context or {}), "range": control, "export": export})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> AuditEntry | None:
        """Return the entry, in words."""
        entry: AuditEntry | None = super().get_object(request, object_id, from_field)
        for told in tell([entry] if entry else [], signed_in.principal(request)):
            told.entry.__dict__["told"] = told
        return entry

    @admin.display(description=_("Organization"))
    def tenant(self, entry: AuditEntry) -> str:
        """Return the organization's name, or its number when it is gone."""
        if entry.organization_id is None:
            return pgettext("organization", "none")
        name = Organization.objects.filter(pk=entry.organization_id).values_list("name", flat=True).first()
        return name or gettext("%(id)d, which is gone") % {"id": entry.organization_id}

    @admin.display(description=_("What"))
    def what(self, entry: AuditEntry) -> SafeString:
        """Return the sentence, and what changed."""
        return render_to_string("admin/dbpower/audit_entry.html", {"told": entry.__dict__["told"]})

    @admin.display(description=_("Before"))
    def was(self, entry: AuditEntry) -> str:
        """Return what was before, as it is stored and sealed."""
        return json.dumps(entry.before, ensure_ascii=False, sort_keys=True)

    @admin.display(description=_("After"))
    def became(self, entry: AuditEntry) -> str:
        """Return what is since, as it is stored and sealed."""
        return json.dumps(entry.after, ensure_ascii=False, sort_keys=True)

    @admin.display(description=_("When"), ordering="id")
    def when(self, entry: AuditEntry) -> str:
        """Return how long ago it was."""
        return ago(entry.created_at)
