"""Tenants."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from collectors.admin import signed_in
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.site import site
from collectors.domain.roles import Permission
from collectors.models import Organization
from collectors.services import people


@admin.register(Organization, site=site)
class OrganizationAdmin(ScopedModelAdmin):
    """SUPER_ADMIN creates and removes organizations; an ORG_ADMIN changes their own."""

    view_permission = Permission.ORGANIZATION_VIEW
    add_permission = Permission.ORGANIZATION_CREATE
    change_permission = Permission.ORGANIZATION_CHANGE
    delete_permission = Permission.ORGANIZATION_DELETE
    list_display = ["name", "created_at"]
    found_everywhere = True
    search_fields = ["name"]
    fields = ["name", "second_factor_required", "history_retention_days", "slow_query_retention_days"]

    def create(self, request: HttpRequest, form: Any) -> Organization:
        """Create a tenant."""
        return people.create_organization(actor=signed_in.actor(request), **form.cleaned_data)

    def change(self, request: HttpRequest, obj: Organization, form: Any) -> None:
        """Give it another name or another retention."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        people.change_organization(organization=obj, actor=signed_in.actor(request), **changes)

    def remove(self, request: HttpRequest, obj: Organization) -> None:
        """Remove it, unless it still watches something."""
        people.delete_organization(organization=obj, actor=signed_in.actor(request))
