"""The servers that are watched."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.domain import freshness
from collectors.domain.sources import Engine
from collectors.models.organizations import Organization
from collectors.models.teams import Team

if TYPE_CHECKING:
    from collectors.models.collectors import Collector


class MonitoredDatabase(models.Model):
    """One MySQL, MariaDB or PostgreSQL server instance. Query history belongs to it and outlives its collectors."""

    organization = models.ForeignKey(
        Organization, verbose_name=_("organization"), on_delete=models.CASCADE, related_name="databases"
    )
    team = models.ForeignKey(Team, verbose_name=_("team"), on_delete=models.PROTECT, related_name="databases")
    name = models.CharField(_("name"), max_length=200)
    type = models.CharField(_("type"), max_length=20, choices=[(engine.value, engine.value) for engine in Engine])
    last_epoch = models.BigIntegerField(default=0, editable=False)
    # From here on totals come from performance_schema (see services.queries); null while it has not been read.
    digests_since = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        db_table = "monitored_databases"
        verbose_name = _("monitored database")
        verbose_name_plural = _("monitored databases")
        ordering = ["name", "id"]
        indexes = [
            models.Index(fields=["name", "id"], name="monitored_databases_by_name"),
            models.Index(
                fields=["digests_since"],
                condition=models.Q(digests_since__isnull=False),
                name="monitored_databases_digests",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def data_until(self) -> datetime | None:
        """Return until when everything is here that the collecting agent has read; None while nobody collects.

        Callers that ask for many databases select `lease__holder__heartbeat` with them.
        """
        holder = self._holder()
        return None if holder is None else holder.data_until

    def is_data_fresh(self, now: datetime) -> bool:
        """Tell whether the data is as new as the collecting agent's interval lets one expect."""
        holder = self._holder()
        if holder is None:
            return False
        return freshness.is_fresh(holder.data_until, now=now, interval_minutes=holder.collection_interval_minutes)

    def _holder(self) -> "Collector | None":
        lease = getattr(self, "lease", None)
        return None if lease is None else lease.holder
