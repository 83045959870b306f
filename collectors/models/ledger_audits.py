"""What audits of the ledger found."""

from django.db import models
from django.db.models.functions import Now

from collectors.domain.sources import Source
from collectors.models.commands import Command
from collectors.models.databases import MonitoredDatabase


class LedgerAudit(models.Model):
    """One comparison of what is stored of a source with what the live server says, since `since`.

    `statements` counts those that were compared, `differing` those that differ. `worst` lists the largest differences: key,
    fingerprint, and calls, nanoseconds and rows as `counted` by the server and as `stored`.
    """

    organization_id = models.BigIntegerField()
    database = models.ForeignKey(MonitoredDatabase, on_delete=models.CASCADE, related_name="audits")
    command = models.ForeignKey(Command, on_delete=models.CASCADE, related_name="audits")
    source = models.CharField(max_length=20, choices=[(source.value, source.value) for source in Source])
    since = models.DateTimeField()
    statements = models.PositiveIntegerField()
    differing = models.PositiveIntegerField()
    counted_calls = models.BigIntegerField()
    stored_calls = models.BigIntegerField()
    worst = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    objects: models.Manager["LedgerAudit"]

    class Meta:
        db_table = "ledger_audits"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.source}: {self.differing} of {self.statements} differ"
