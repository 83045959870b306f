"""Tenants."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.domain import limits


def _days(name: Any) -> "models.PositiveSmallIntegerField[Any, Any]":
    return models.PositiveSmallIntegerField(
        name,
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(limits.MAX_RETENTION_DAYS)],
        help_text=_("Empty: as long as this installation keeps them."),
    )


class Organization(models.Model):
    """A tenant. No row of one organization is visible from another. Its own retention is null where the installation's holds."""

    name = models.CharField(_("name"), max_length=200)
    history_retention_days = _days(_("days that numbers of statements are kept"))
    slow_query_retention_days = _days(_("days that slow queries are kept"))
    second_factor_required = models.BooleanField(
        _("second factor required"),
        default=False,
        help_text=_("Members without one set it up when they sign in next, and can do nothing before."),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        db_table = "organizations"
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
