"""Single executions from slow logs."""

from decimal import Decimal

from django.db import models
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from collectors.models.databases import MonitoredDatabase
from collectors.models.statements import Statement


class SlowQuery(models.Model):
    """One logged execution. Partitioned by time on PostgreSQL, where its key is (id, started_at); nothing refers into it.

    Times are nanoseconds. `generation` and `position` say where in which slow log the row stood, null for bare uploads.
    """

    organization_id = models.BigIntegerField()
    database = models.ForeignKey(
        MonitoredDatabase,
        verbose_name=_("database"),
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    statement = models.ForeignKey(
        Statement, verbose_name=_("statement"), on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    started_at = models.DateTimeField(_("started at"))
    time_approximate = models.BooleanField(_("time approximate"))
    query_time_ns = models.BigIntegerField(_("query time"))
    lock_time_ns = models.BigIntegerField(_("lock time"))
    rows_sent = models.BigIntegerField(_("rows sent"))
    rows_examined = models.BigIntegerField(_("rows examined"))
    rows_affected = models.BigIntegerField(_("rows affected"))
    user_name = models.CharField(_("user name"), max_length=200)
    host = models.CharField(_("host"), max_length=255)
    generation = models.CharField(max_length=64, null=True)
    position = models.BigIntegerField(null=True)

    class Meta:
        managed = False
        db_table = "slow_queries"
        verbose_name = _("slow query")
        verbose_name_plural = _("slow queries")
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{formats.number_format(Decimal(self.query_time_ns) / 1_000_000_000, 3)} s"
