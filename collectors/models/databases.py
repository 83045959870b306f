"""The servers that are watched."""

from django.db import models
from django.db.models.functions import Now

from collectors.domain.sources import Engine
from collectors.models.organizations import Organization
from collectors.models.teams import Team


class MonitoredDatabase(models.Model):
    """One MySQL, MariaDB or PostgreSQL server instance. Query history belongs to it and outlives its collectors."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="databases")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="databases")
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=20, choices=[(engine.value, engine.value) for engine in Engine])
    last_epoch = models.BigIntegerField(default=0, editable=False)
    # From here on totals come from performance_schema (see services.queries); null while it has not been read.
    digests_since = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "monitored_databases"
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name
