"""The history of statuses."""

from django.db import models
from django.db.models.functions import Now

from collectors.domain.liveness import Cause, Status
from collectors.models.collectors import Collector

_STATUSES = [(status.value, status.value) for status in Status]


class StatusChange(models.Model):
    """One flip of a collector's status. Written in the transaction of the flip, by its only winner."""

    organization_id = models.BigIntegerField()
    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="status_changes")
    old_status = models.CharField(max_length=10, choices=_STATUSES, blank=True)
    new_status = models.CharField(max_length=10, choices=_STATUSES)
    cause = models.CharField(max_length=40, choices=[(cause.value, cause.value) for cause in Cause])
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "status_changes"
        ordering = ["-id"]
        indexes = [models.Index(fields=["collector", "-id"], name="status_changes_recent")]

    def __str__(self) -> str:
        return f"{self.old_status} → {self.new_status}"
