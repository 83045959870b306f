"""Plans of statements."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.models.databases import MonitoredDatabase
from collectors.models.fingerprints import Fingerprint
from collectors.models.statements import Statement


class Plan(models.Model):
    """How a server would carry out a statement: one row for each different plan, with the costs of the last time.

    `nodes` are the steps as `domain.plans.parse_plan` returns them; `shape` is the same for plans that differ in numbers only.
    """

    organization_id = models.BigIntegerField()
    database = models.ForeignKey(
        MonitoredDatabase, verbose_name=_("database"), on_delete=models.CASCADE, related_name="plans"
    )
    fingerprint = models.ForeignKey(
        Fingerprint, verbose_name=_("fingerprint"), on_delete=models.CASCADE, related_name="plans"
    )
    statement = models.ForeignKey(
        Statement, verbose_name=_("statement"), on_delete=models.CASCADE, related_name="plans"
    )
    shape = models.CharField(max_length=32)
    nodes = models.JSONField()
    omitted = models.BigIntegerField(default=0)
    server_version = models.CharField(max_length=128)
    first_taken_at = models.DateTimeField(db_default=Now())
    taken_at = models.DateTimeField(_("taken at"), db_default=Now())

    class Meta:
        db_table = "plans"
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering = ["-taken_at", "-id"]
        indexes = [models.Index(fields=["taken_at"], name="plans_by_age")]

    def __str__(self) -> str:
        return self.shape[:8]
