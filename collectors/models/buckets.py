"""What statements cost, by time slot."""

from django.db import models

from collectors.models.databases import MonitoredDatabase
from collectors.models.statements import Statement


class OfStatement(models.Model):
    """What is told of one statement in one slot of time, named by its beginning."""

    organization_id = models.BigIntegerField()
    database = models.ForeignKey(MonitoredDatabase, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    statement = models.ForeignKey(Statement, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    started_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.statement_id} {self.started_at:%Y-%m-%d %H:%M}"


class Costs(OfStatement):
    """The executions of one statement in one slot of time.

    The tables are partitioned by time on PostgreSQL and nothing refers into them, so migrations make them in SQL. Times are
    nanoseconds. Counters that an engine does not have are null.
    """

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
        abstract = True


class Bucket(Costs):
    """The executions of one statement in five minutes. Written by one raw upsert in `services.ledger`, read here."""

    pk = models.CompositePrimaryKey("statement_id", "started_at")

    class Meta:
        managed = False
        db_table = "query_buckets"
        ordering = ["-started_at"]


class Resolution(models.TextChoices):
    """How long the slots of a row are."""

    BUCKET = "bucket", "five minutes"
    HOUR = "hour", "an hour"
    DAY = "day", "a day"
    WEEK = "week", "a week"


class Cost(Costs):
    """Buckets and what they were rolled up to, in one view. An execution is in up to four of its rows: `domain.periods` chooses."""

    pk = models.CompositePrimaryKey("statement_id", "resolution", "started_at")
    resolution = models.CharField(max_length=6, choices=Resolution.choices)

    class Meta:
        managed = False
        db_table = "query_costs"
        ordering = ["-started_at"]


class DatabaseCost(OfStatement):
    """What all statements of a database cost in one slot of time: calls and nanoseconds, each call once. Read to be added up.

    Hours, days and weeks are rolled up to one row of each database, and tell of no statement; buckets are those of `Bucket`.
    """

    # Of buckets there may be several with one key: nobody asks for a single row.
    pk = models.CompositePrimaryKey("database_id", "resolution", "started_at")
    # None but in buckets.
    statement = models.ForeignKey(  # type: ignore[assignment]
        Statement, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    resolution = models.CharField(max_length=6, choices=Resolution.choices)
    calls = models.BigIntegerField()
    total_time_ns = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "database_costs"
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.database_id} {self.started_at:%Y-%m-%d %H:%M}"


class Latency(OfStatement):
    """How long the executions of one statement took in one slot of time: a packed `domain.sketches.Sketch`, for slow logs only.

    A view of three tables, as `Cost` is of four: there is none by the week.
    """

    pk = models.CompositePrimaryKey("statement_id", "resolution", "started_at")
    resolution = models.CharField(max_length=6, choices=Resolution.choices)
    sketch = models.BinaryField()

    class Meta:
        managed = False
        db_table = "query_latencies"
        ordering = ["-started_at"]


class SlotMark(models.Model):
    """A slot of time of a database in which something changed since it was rolled up. `version` counts the changes."""

    organization_id = models.BigIntegerField()
    database = models.ForeignKey(MonitoredDatabase, on_delete=models.CASCADE, related_name="+")
    started_at = models.DateTimeField(db_index=True)
    version = models.BigIntegerField(default=1)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.database_id} {self.started_at:%Y-%m-%d %H:%M}"


class DirtyHour(SlotMark):
    """An hour of a database whose buckets changed since they were rolled up."""

    class Meta:
        db_table = "dirty_hours"
        constraints = [models.UniqueConstraint(fields=["database", "started_at"], name="dirty_hours_unique")]


class DirtyDay(SlotMark):
    """A day (UTC) of a database whose hours changed since they were rolled up."""

    class Meta:
        db_table = "dirty_days"
        constraints = [models.UniqueConstraint(fields=["database", "started_at"], name="dirty_days_unique")]


class DirtyWeek(SlotMark):
    """A week (UTC, `domain.periods`) of a database whose days changed since they were rolled up."""

    class Meta:
        db_table = "dirty_weeks"
        constraints = [models.UniqueConstraint(fields=["database", "started_at"], name="dirty_weeks_unique")]
