"""Teams."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from collectors.access import permitted
from collectors.admin import consequences, signed_in, undo
from collectors.admin.base import number_in
from collectors.admin.consequences import Consequences
from collectors.admin.filters import ScopedRelatedFilter
from collectors.admin.pages.places import team_context
from collectors.admin.place_lists import PlaceAdmin
from collectors.admin.site import site
from collectors.domain.roles import Permission
from collectors.models import Organization, Team
from collectors.services import people


@admin.register(Team, site=site)
class TeamAdmin(PlaceAdmin):
    """An ORG_ADMIN manages the teams of the own organization. A team stays in its organization."""

    view_permission = Permission.TEAM_VIEW
    add_permission = Permission.TEAM_MANAGE
    change_permission = Permission.TEAM_MANAGE
    delete_permission = Permission.TEAM_MANAGE
    choice_permissions: ClassVar[dict[str, Permission]] = {"organization": Permission.TEAM_MANAGE}
    place = "team"
    counted = ("people", "databases", "collectors")
    list_display = ["name", "organization", "people", "databases", "collectors", "created_at"]
    list_filter = [("organization", ScopedRelatedFilter)]
    list_select_related = ["organization"]
    change_form_template = "admin/dbpower/team.html"
    found_everywhere = True
    search_fields = ["name"]
    empty_text = _("A team owns databases and collectors, and people get their roles in it. Make the first one.")
    add_words = _("New team")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Choose the organization that a link of this console names, if teams may be made there."""
        rows = Organization.objects.filter(pk=number_in(request, "organization"))
        row = permitted(rows, signed_in.principal(request), Permission.TEAM_MANAGE).first()
        return {} if row is None else {"organization": row.pk}

    fields = ["organization", "name", "plans"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002
        """Keep the team where it is."""
        return ["organization"] if obj else []

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show what is in it, then the form."""
        row = self.get_object(request, unquote(object_id))
        extra = dict(extra_context or {})
        if row is not None and self.has_view_permission(request, row):
            extra |= team_context(request, row)
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response

    def create(self, request: HttpRequest, form: Any) -> Team:
        """Create a team."""
        chosen = form.cleaned_data
        return people.create_team(**chosen, actor=signed_in.actor(request))

    def change(self, request: HttpRequest, obj: Team, form: Any) -> None:
        """Give it another name, or switch plans."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        before = obj.name
        if changes:
            people.change_team(team=obj, **changes, actor=signed_in.actor(request))
        # Plans that went when they were switched off do not come back, so that this is not taken back.
        if "name" in changes:
            offered = {"pk": obj.pk, "before": {"name": before}, "after": {"name": changes["name"]}}
            undo.offer(request, "team", back=self._address("change", obj.pk), **offered)

    def consequences(self, request: HttpRequest, obj: Team) -> Consequences:
        """Return what comes of removing it."""
        return consequences.of_team(obj, signed_in.principal(request))

    def remove(self, request: HttpRequest, obj: Team) -> None:
        """Remove it, unless it still owns something."""
        people.delete_team(team=obj, actor=signed_in.actor(request))
