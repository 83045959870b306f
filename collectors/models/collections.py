"""What agents brought, one row for each collection."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from collectors.domain.sources import Source
from collectors.models.collectors import Collector


class Collection(models.Model):
    """One upload of a read source, or one snapshot, that the server took: written in the transaction that took it.

    Partitioned by time on PostgreSQL, where its key is (collector_id, started_at, id); nothing refers into it. `started_at` is when the
    source was read, by the server's clock. `calls` is what it added to the numbers, None where the source began anew, so that
    nothing could be added yet; a stale one came again, or too late, and added nothing.
    """

    organization_id = models.BigIntegerField()
    collector = models.ForeignKey(
        Collector, verbose_name=_("collector"), on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    started_at = models.DateTimeField(_("read at"))
    received_at = models.DateTimeField(_("received at"))
    source = models.CharField(_("source"), max_length=20, choices=[(source.value, source.value) for source in Source])
    # What was wanted of the collector then: without a collection for longer than that, something is missing.
    interval_minutes = models.PositiveIntegerField()
    rows = models.IntegerField(_("rows"))
    calls = models.BigIntegerField(_("calls"), null=True)
    duplicates = models.IntegerField(_("duplicates"))
    is_stale = models.BooleanField()
    # How long the server worked on it.
    took_ms = models.IntegerField()

    class Meta:
        managed = False
        db_table = "collections"
        verbose_name = _("collection")
        verbose_name_plural = _("collections")
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.source} {self.rows}"
