"""Tenants."""

from copy import copy
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from collectors.admin import consequences, signed_in, undo
from collectors.admin.actions import CONFIRMED, ask_page
from collectors.admin.consequences import Consequences
from collectors.admin.pages.places import organization_context
from collectors.admin.place_lists import PlaceAdmin
from collectors.admin.site import site
from collectors.domain.roles import Permission
from collectors.models import Organization
from collectors.services import people


@admin.register(Organization, site=site)
class OrganizationAdmin(PlaceAdmin):
    """SUPER_ADMIN creates and removes organizations; an ORG_ADMIN changes their own."""

    view_permission = Permission.ORGANIZATION_VIEW
    add_permission = Permission.ORGANIZATION_CREATE
    change_permission = Permission.ORGANIZATION_CHANGE
    delete_permission = Permission.ORGANIZATION_DELETE
    place = "organization"
    counted = ("teams", "people", "databases", "collectors")
    list_display = ["name", "teams", "people", "databases", "collectors", "created_at"]
    change_form_template = "admin/dbpower/organization.html"
    found_everywhere = True
    search_fields = ["name"]
    empty_text = _(
        "An organization is a tenant: nothing of it is seen from another one. Create the first, then its teams."
    )
    add_words = _("New organization")
    fields = ["name", "second_factor_required", "history_retention_days", "slow_query_retention_days"]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show what is in it, then the form."""
        row = self.get_object(request, unquote(object_id))
        asked = self._asked_first(request, row)
        if asked is not None:
            return asked
        extra = dict(extra_context or {})
        if row is not None and self.has_view_permission(request, row):
            extra |= organization_context(request, row)
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response

    def _asked_first(self, request: HttpRequest, row: Organization | None) -> HttpResponse | None:
        """Return the page that says what policies do that hide, remove or sign out, before they are set."""
        if request.method != "POST" or CONFIRMED in request.POST or row is None:
            return None
        if not self.has_change_permission(request, row):
            return None
        form = self.get_form(request, row, change=True)(request.POST, instance=copy(row))
        if not form.is_valid():
            return None
        lines = consequences.of_policies(row, form.cleaned_data, signed_in.principal(request))
        again = [(name, value) for name, value in request.POST.items() if name != "csrfmiddlewaretoken"]
        return (
            ask_page(self, request, title=gettext("Change the policies"), row=row, lines=lines, again=again)
            if lines
            else None
        )

    def create(self, request: HttpRequest, form: Any) -> Organization:
        """Create a tenant."""
        return people.create_organization(actor=signed_in.actor(request), **form.cleaned_data)

    def change(self, request: HttpRequest, obj: Organization, form: Any) -> None:
        """Give it another name or another retention."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        if not changes:
            return
        before = {name: getattr(obj, name) for name in changes}
        people.change_organization(organization=obj, actor=signed_in.actor(request), **changes)
        back = self._address("change", obj.pk)
        undo.offer(request, "organization", back=back, pk=obj.pk, before=before, after=changes)

    def consequences(self, request: HttpRequest, obj: Organization) -> Consequences:
        """Return what comes of removing it."""
        return consequences.of_organization(obj, signed_in.principal(request))

    def remove(self, request: HttpRequest, obj: Organization) -> None:
        """Remove it, unless it still watches something."""
        people.delete_organization(organization=obj, actor=signed_in.actor(request))
