"""What is known to be missing from the numbers."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.domain.sources import Source
from collectors.models.databases import MonitoredDatabase


class GapKind(models.TextChoices):
    """Why numbers of a period are not whole."""

    BASELINE = "baseline", _("counting began here")
    GENERATION = "generation", _("the source's counters began anew")
    EVICTIONS = "evictions", _("the source dropped statements")
    OVERFLOW = "overflow", _("the source had no room for statements")
    LOST_ROWS = "lost_rows", _("rows of the slow log were gone before they were read")
    MISSED = "missed", _("the source was not read in time")
    SPOOL = "spool", _("uploads were dropped from a full spool")
    APPROXIMATE = "approximate", _("times of rows are approximate")
    EXPIRED = "expired", _("rows older than the retention were not stored")


class Gap(models.Model):
    """Something known to be missing or inexact in a database's numbers of a period: shown beside them.

    `amount` counts what `kind` names (rows, statements, calls); null means that its size cannot be known.
    """

    organization_id = models.BigIntegerField()
    database = models.ForeignKey(
        MonitoredDatabase, verbose_name=_("database"), on_delete=models.CASCADE, related_name="gaps"
    )
    source = models.CharField(_("source"), max_length=20, choices=[(source.value, source.value) for source in Source])
    kind = models.CharField(_("kind"), max_length=12, choices=GapKind.choices)
    amount = models.BigIntegerField(_("amount"), null=True)
    covered_from = models.DateTimeField(_("covered from"))
    covered_to = models.DateTimeField(_("covered to"))
    detail = models.CharField(_("detail"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        db_table = "completeness_gaps"
        verbose_name = _("gap")
        verbose_name_plural = _("gaps")
        ordering = ["-covered_to"]
        indexes = [
            models.Index(fields=["database", "covered_to"], name="completeness_gaps_period"),
            models.Index(fields=["covered_to", "id"], name="completeness_gaps_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount if self.amount is not None else '?'}"
