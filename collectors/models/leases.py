"""Which collector of a database collects."""

from django.db import models
from django.db.models.functions import Now

from collectors.models.collectors import Collector
from collectors.models.databases import MonitoredDatabase


class Lease(models.Model):
    """The one collector that reads a monitored database; the others stand by.

    Nothing is written to renew it: it is good for as long as its holder's heartbeats are (see `services.leases`).
    """

    database = models.OneToOneField(MonitoredDatabase, on_delete=models.CASCADE, primary_key=True, related_name="lease")
    organization_id = models.BigIntegerField()
    holder = models.OneToOneField(Collector, on_delete=models.SET_NULL, null=True, related_name="lease")
    # Snapshots that carry an earlier epoch may have been read after those of the present holder: they are stale.
    epoch = models.BigIntegerField()
    granted_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "collector_leases"

    def __str__(self) -> str:
        return f"{self.holder_id} since {self.granted_at:%Y-%m-%d %H:%M:%S}"
