"""Single executions from slow logs."""

from django.db import models

from collectors.models.databases import MonitoredDatabase
from collectors.models.statements import Statement


class SlowQuery(models.Model):
    """One logged execution. Partitioned by time on PostgreSQL, where its key is (id, started_at); nothing refers into it.

    Times are nanoseconds. `generation` and `position` say where in which slow log the row stood, null for bare uploads.
    """

    organization_id = models.BigIntegerField()
    database = models.ForeignKey(MonitoredDatabase, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    statement = models.ForeignKey(Statement, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    started_at = models.DateTimeField()
    time_approximate = models.BooleanField()
    query_time_ns = models.BigIntegerField()
    lock_time_ns = models.BigIntegerField()
    rows_sent = models.BigIntegerField()
    rows_examined = models.BigIntegerField()
    rows_affected = models.BigIntegerField()
    user_name = models.CharField(max_length=200)
    host = models.CharField(max_length=255)
    generation = models.CharField(max_length=64, null=True)
    position = models.BigIntegerField(null=True)

    class Meta:
        managed = False
        db_table = "slow_queries"
        ordering = ["-started_at"]
        verbose_name_plural = "slow queries"

    def __str__(self) -> str:
        return f"{self.query_time_ns / 1e9:.3f} s"
