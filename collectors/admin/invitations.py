"""Invitations: what was offered to whom, and whether it was taken."""

from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from collectors.admin.actions import scoped_action
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.filters import ChoicesDropdownFilter, ScopedRelatedFilter
from collectors.admin.site import site
from collectors.domain.actors import Actor
from collectors.domain.roles import Permission
from collectors.models import Invitation
from collectors.services import invitations


@admin.register(Invitation, site=site)
class InvitationAdmin(ScopedModelAdmin):
    """What waits to be accepted. New ones are made where memberships are added."""

    view_permission = Permission.MEMBERSHIP_VIEW
    list_display = ["email", "role", "organization", "team", "state", "created_at", "expires_at"]
    list_filter = [
        ("role", ChoicesDropdownFilter),
        ("organization", ScopedRelatedFilter),
        ("team", ScopedRelatedFilter),
    ]
    list_select_related = ["organization", "team"]
    search_fields = ["email"]
    fields = ["email", "organization", "team", "role", "state", "created_at", "expires_at"]
    readonly_fields = ["email", "organization", "team", "role", "state", "created_at", "expires_at"]
    actions = ["revoke"]

    @admin.display(description=_("State"))
    def state(self, invitation: Invitation) -> str:
        """Return what became of it."""
        if invitation.accepted_at:
            return pgettext("state of an invitation", "accepted")
        if invitation.revoked_at:
            return pgettext("state of an invitation", "revoked")
        if invitation.expires_at > timezone.now():
            return pgettext("state of an invitation", "open")
        return pgettext("state of an invitation", "expired")

    @scoped_action(
        permission=Permission.MEMBERSHIP_MANAGE,
        label=_("Revoke"),
        icon="block",
        done=_("Revoked: {names}."),
        offered=lambda invitation: not (invitation.accepted_at or invitation.revoked_at),
    )
    def revoke(self, row: Any, actor: Actor) -> Any:
        """Make an invitation void."""
        return invitations.revoke(invitation=row, actor=actor)
