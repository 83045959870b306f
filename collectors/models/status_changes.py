"""The history of statuses."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.domain import limits
from collectors.domain.liveness import Status
from collectors.models import labels
from collectors.models.collectors import Collector

_STATUSES = [(status.value, status.value) for status in Status]


class StatusChange(models.Model):
    """One flip of a collector's status. Written in the transaction of the flip, by its only winner."""

    organization_id = models.BigIntegerField()
    collector = models.ForeignKey(
        Collector, verbose_name=_("collector"), on_delete=models.CASCADE, related_name="status_changes"
    )
    old_status = models.CharField(_("old status"), max_length=10, choices=_STATUSES, blank=True)
    new_status = models.CharField(_("new status"), max_length=10, choices=_STATUSES)
    cause = models.CharField(_("cause"), max_length=40, choices=labels.choices(labels.CAUSES))
    # What the agent complained of, where an error was the cause.
    detail = models.CharField(
        _("detail"), max_length=limits.MAX_DETAIL_CHARACTERS, blank=True, db_default="", default=""
    )
    # When the collector had last been heard before this. None where it never was, and in rows from before this was kept.
    last_heartbeat = models.DateTimeField(_("last heartbeat"), null=True)
    changed_at = models.DateTimeField(_("changed at"), db_default=Now())

    class Meta:
        db_table = "status_changes"
        verbose_name = _("status change")
        verbose_name_plural = _("status changes")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["collector", "-id"], name="status_changes_recent"),
            models.Index(fields=["organization_id", "-id"], name="status_changes_of_tenant"),
            models.Index(fields=["changed_at"], name="status_changes_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.old_status} → {self.new_status}"
