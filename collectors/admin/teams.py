"""Teams."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from collectors.admin import signed_in
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.filters import ScopedRelatedFilter
from collectors.admin.site import site
from collectors.domain.roles import Permission
from collectors.models import Team
from collectors.services import people


@admin.register(Team, site=site)
class TeamAdmin(ScopedModelAdmin):
    """An ORG_ADMIN manages the teams of the own organization. A team stays in its organization."""

    view_permission = Permission.TEAM_VIEW
    add_permission = Permission.TEAM_MANAGE
    change_permission = Permission.TEAM_MANAGE
    delete_permission = Permission.TEAM_MANAGE
    choice_permissions: ClassVar[dict[str, Permission]] = {"organization": Permission.TEAM_MANAGE}
    list_display = ["name", "organization", "created_at"]
    list_filter = [("organization", ScopedRelatedFilter)]
    list_select_related = ["organization"]
    found_everywhere = True
    search_fields = ["name"]
    fields = ["organization", "name", "plans"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002
        """Keep the team where it is."""
        return ["organization"] if obj else []

    def create(self, request: HttpRequest, form: Any) -> Team:
        """Create a team."""
        chosen = form.cleaned_data
        return people.create_team(**chosen, actor=signed_in.actor(request))

    def change(self, request: HttpRequest, obj: Team, form: Any) -> None:
        """Give it another name, or switch plans."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        if changes:
            people.change_team(team=obj, **changes, actor=signed_in.actor(request))

    def remove(self, request: HttpRequest, obj: Team) -> None:
        """Remove it, unless it still owns something."""
        people.delete_team(team=obj, actor=signed_in.actor(request))
