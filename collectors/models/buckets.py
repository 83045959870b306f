"""What statements cost, by time slot."""

from django.db import models

from collectors.models.databases import MonitoredDatabase
from collectors.models.statements import Statement


class Bucket(models.Model):
    """The executions of one statement in five minutes. Written by one raw upsert in `services.ledger`, read here.

    The table is partitioned by time on PostgreSQL and nothing refers into it, so the migration makes it in SQL. Times are
    nanoseconds. Counters that an engine does not have are null.
    """

    pk = models.CompositePrimaryKey("statement_id", "started_at")
    organization_id = models.BigIntegerField()
    database = models.ForeignKey(MonitoredDatabase, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    statement = models.ForeignKey(Statement, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    started_at = models.DateTimeField()
    calls = models.BigIntegerField()
    total_time_ns = models.BigIntegerField()
    min_time_ns = models.BigIntegerField(null=True)
    max_time_ns = models.BigIntegerField(null=True)
    rows = models.BigIntegerField()
    rows_examined = models.BigIntegerField(null=True)
    rows_affected = models.BigIntegerField(null=True)
    lock_time_ns = models.BigIntegerField(null=True)
    errors = models.BigIntegerField(null=True)
    warnings = models.BigIntegerField(null=True)
    shared_blks_hit = models.BigIntegerField(null=True)
    shared_blks_read = models.BigIntegerField(null=True)
    shared_blks_dirtied = models.BigIntegerField(null=True)
    shared_blks_written = models.BigIntegerField(null=True)
    local_blks_hit = models.BigIntegerField(null=True)
    local_blks_read = models.BigIntegerField(null=True)
    temp_blks_read = models.BigIntegerField(null=True)
    temp_blks_written = models.BigIntegerField(null=True)
    blk_read_time_ns = models.BigIntegerField(null=True)
    blk_write_time_ns = models.BigIntegerField(null=True)
    wal_records = models.BigIntegerField(null=True)
    wal_fpi = models.BigIntegerField(null=True)
    wal_bytes = models.BigIntegerField(null=True)
    tmp_tables = models.BigIntegerField(null=True)
    tmp_disk_tables = models.BigIntegerField(null=True)
    full_scans = models.BigIntegerField(null=True)
    no_index_used = models.BigIntegerField(null=True)
    cpu_time_ns = models.BigIntegerField(null=True)

    class Meta:
        managed = False
        db_table = "query_buckets"
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.statement_id} {self.started_at:%Y-%m-%d %H:%M}"
