"""Who belongs where, and as what."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.domain.roles import Role
from collectors.models.organizations import Organization
from collectors.models.teams import Team
from collectors.models.users import User


class Membership(models.Model):
    """A user's role in an organization (ORG_ADMIN, no team) or in one team of it (TEAM_LEAD, USER)."""

    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(
        Organization, verbose_name=_("organization"), on_delete=models.CASCADE, related_name="memberships"
    )
    team = models.ForeignKey(
        Team, verbose_name=_("team"), on_delete=models.CASCADE, related_name="memberships", null=True, blank=True
    )
    role = models.CharField(_("role"), max_length=20, choices=[(role.value, role.value) for role in Role])
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        db_table = "memberships"
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "team"], condition=models.Q(team__isnull=False), name="memberships_team_unique"
            ),
            models.UniqueConstraint(
                fields=["user", "organization"],
                condition=models.Q(team__isnull=True),
                name="memberships_organization_unique",
            ),
            models.CheckConstraint(
                condition=models.Q(role=Role.ORG_ADMIN, team__isnull=True)
                | models.Q(role__in=[Role.TEAM_LEAD, Role.USER], team__isnull=False),
                name="memberships_role_fits_team",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.role}"
