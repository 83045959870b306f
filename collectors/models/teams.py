"""Teams inside organizations."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.models.organizations import Organization


class Team(models.Model):
    """People of one organization who own databases and collectors together."""

    organization = models.ForeignKey(
        Organization, verbose_name=_("organization"), on_delete=models.CASCADE, related_name="teams"
    )
    name = models.CharField(_("name"), max_length=200)
    plans = models.BooleanField(
        _("plans"),
        default=False,
        db_default=False,
        help_text=_(
            "Whoever may command collectors may ask for the plans of statements. "
            "A plan tells names of tables, columns and indexes, conditions without literals, and costs; nothing is run. "
            "It takes functions that an administrator installs on the server. Switched off, stored plans are removed."
        ),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        db_table = "teams"
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="teams_name_unique")]

    def __str__(self) -> str:
        return self.name
