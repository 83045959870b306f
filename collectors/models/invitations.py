"""Roles that were offered to somebody and wait to be taken."""

from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.domain.roles import Role
from collectors.models.organizations import Organization
from collectors.models.teams import Team
from collectors.models.users import User


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Questions about invitations."""

    def open(self) -> Self:
        """Return those that can still be accepted."""
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=Now())


class Invitation(models.Model):
    """A role in an organization or team for whoever holds the link and the account of that address. The link is good once."""

    organization = models.ForeignKey(
        Organization, verbose_name=_("organization"), on_delete=models.CASCADE, related_name="invitations"
    )
    team = models.ForeignKey(
        Team, verbose_name=_("team"), on_delete=models.CASCADE, related_name="invitations", null=True, blank=True
    )
    role = models.CharField(_("role"), max_length=20, choices=[(role.value, role.value) for role in Role])
    email = models.EmailField(_("e-mail address"), max_length=254)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        User, verbose_name=_("invited by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    expires_at = models.DateTimeField(_("expires at"))
    accepted_at = models.DateTimeField(_("accepted at"), null=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        db_table = "invitations"
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.email} · {self.role}"
