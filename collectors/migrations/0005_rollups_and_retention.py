"""Buckets rolled up to hours and days, sketches of how long executions took, and retention per organization."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# The columns of query_buckets, which hours and days have too.
SUMS = (
    "rows_examined rows_affected lock_time_ns errors warnings shared_blks_hit shared_blks_read shared_blks_dirtied "
    "shared_blks_written local_blks_hit local_blks_read temp_blks_read temp_blks_written blk_read_time_ns "
    "blk_write_time_ns wal_records wal_fpi wal_bytes tmp_tables tmp_disk_tables full_scans no_index_used cpu_time_ns"
).split()
COLUMNS = (
    "statement_id started_at organization_id database_id calls total_time_ns min_time_ns max_time_ns rows".split()
    + SUMS
)
COSTS = """
CREATE TABLE {table} (
    statement_id bigint NOT NULL,
    started_at {time} NOT NULL,
    organization_id bigint NOT NULL,
    database_id bigint NOT NULL,
    calls bigint NOT NULL,
    total_time_ns bigint NOT NULL,
    min_time_ns bigint,
    max_time_ns bigint,
    rows bigint NOT NULL,
    {counters},
    PRIMARY KEY (statement_id, started_at)
) {partitioned}
"""
SKETCHES = """
CREATE TABLE {table} (
    statement_id bigint NOT NULL,
    started_at {time} NOT NULL,
    organization_id bigint NOT NULL,
    database_id bigint NOT NULL,
    sketch {bytes} NOT NULL,
    PRIMARY KEY (statement_id, started_at)
) {partitioned}
"""
TABLES = {
    "query_hours": COSTS,
    "query_days": COSTS,
    "query_sketches": SKETCHES,
    "query_sketch_hours": SKETCHES,
    "query_sketch_days": SKETCHES,
}
COST_TABLES = {"bucket": "query_buckets", "hour": "query_hours", "day": "query_days"}
SKETCH_TABLES = {"bucket": "query_sketches", "hour": "query_sketch_hours", "day": "query_sketch_days"}
# Every bucket that was there before is to be rolled up.
MARK_ALL = """
INSERT INTO dirty_hours (organization_id, database_id, started_at, version)
SELECT b.organization_id, b.database_id, {hour} AS hour, 1
FROM query_buckets b JOIN monitored_databases d ON d.id = b.database_id
GROUP BY b.organization_id, b.database_id, hour
"""
POSTGRESQL = {
    "time": "timestamptz",
    "bytes": "bytea",
    "partitioned": "PARTITION BY RANGE (started_at)",
    "hour": "date_trunc('hour', b.started_at)",
}
SQLITE = {
    "time": "datetime",
    "bytes": "blob",
    "partitioned": "",
    "hour": "strftime('%Y-%m-%d %H:00:00', b.started_at)",
}


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    on_postgresql = schema_editor.connection.vendor == "postgresql"
    words = POSTGRESQL if on_postgresql else SQLITE
    counters = ",\n    ".join(f"{name} bigint" for name in SUMS)
    for table, statement in TABLES.items():
        schema_editor.execute(statement.format(table=table, counters=counters, **words))
        schema_editor.execute(f"CREATE INDEX {table}_by_database ON {table} (database_id, started_at)")
        if on_postgresql:
            # What lies outside of every partition made so far is still taken.
            schema_editor.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    schema_editor.execute(view("query_costs", COST_TABLES, COLUMNS))
    schema_editor.execute(view("query_latencies", SKETCH_TABLES, [*COLUMNS[:4], "sketch"]))
    schema_editor.execute(MARK_ALL.format(**words))


def view(name: str, tables: dict[str, str], columns: list[str]) -> str:
    """Return the statement that makes one view of the three resolutions."""
    shown = ", ".join(columns)
    parts = (
        f"SELECT CAST('{word}' AS varchar(6)) AS resolution, {shown} FROM {table}"  # noqa: S608 - names are ours
        for word, table in tables.items()
    )
    return f"CREATE VIEW {name} AS {' UNION ALL '.join(parts)}"


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute("DROP VIEW query_latencies")
    schema_editor.execute("DROP VIEW query_costs")
    for table in TABLES:
        schema_editor.execute(f"DROP TABLE {table}")


class Migration(migrations.Migration):
    dependencies = [
        ("collectors", "0004_digests_since"),
    ]

    operations = [
        migrations.CreateModel(
            name="Cost",
            fields=[
                ("organization_id", models.BigIntegerField()),
                ("started_at", models.DateTimeField()),
                ("calls", models.BigIntegerField()),
                ("total_time_ns", models.BigIntegerField()),
                ("min_time_ns", models.BigIntegerField(null=True)),
                ("max_time_ns", models.BigIntegerField(null=True)),
                ("rows", models.BigIntegerField()),
                ("rows_examined", models.BigIntegerField(null=True)),
                ("rows_affected", models.BigIntegerField(null=True)),
                ("lock_time_ns", models.BigIntegerField(null=True)),
                ("errors", models.BigIntegerField(null=True)),
                ("warnings", models.BigIntegerField(null=True)),
                ("shared_blks_hit", models.BigIntegerField(null=True)),
                ("shared_blks_read", models.BigIntegerField(null=True)),
                ("shared_blks_dirtied", models.BigIntegerField(null=True)),
                ("shared_blks_written", models.BigIntegerField(null=True)),
                ("local_blks_hit", models.BigIntegerField(null=True)),
                ("local_blks_read", models.BigIntegerField(null=True)),
                ("temp_blks_read", models.BigIntegerField(null=True)),
                ("temp_blks_written", models.BigIntegerField(null=True)),
                ("blk_read_time_ns", models.BigIntegerField(null=True)),
                ("blk_write_time_ns", models.BigIntegerField(null=True)),
                ("wal_records", models.BigIntegerField(null=True)),
                ("wal_fpi", models.BigIntegerField(null=True)),
                ("wal_bytes", models.BigIntegerField(null=True)),
                ("tmp_tables", models.BigIntegerField(null=True)),
                ("tmp_disk_tables", models.BigIntegerField(null=True)),
                ("full_scans", models.BigIntegerField(null=True)),
                ("no_index_used", models.BigIntegerField(null=True)),
                ("cpu_time_ns", models.BigIntegerField(null=True)),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "statement_id",
                        "resolution",
                        "started_at",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "resolution",
                    models.CharField(
                        choices=[("bucket", "five minutes"), ("hour", "an hour"), ("day", "a day")], max_length=6
                    ),
                ),
            ],
            options={
                "db_table": "query_costs",
                "ordering": ["-started_at"],
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Latency",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "statement_id",
                        "resolution",
                        "started_at",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("organization_id", models.BigIntegerField()),
                ("started_at", models.DateTimeField()),
                (
                    "resolution",
                    models.CharField(
                        choices=[("bucket", "five minutes"), ("hour", "an hour"), ("day", "a day")], max_length=6
                    ),
                ),
                ("sketch", models.BinaryField()),
            ],
            options={
                "db_table": "query_latencies",
                "ordering": ["-started_at"],
                "managed": False,
            },
        ),
        migrations.AddField(
            model_name="organization",
            name="history_retention_days",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="Empty: as long as this installation keeps them.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(3660),
                ],
                verbose_name="days that numbers of statements are kept",
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="slow_query_retention_days",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="Empty: as long as this installation keeps them.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(3660),
                ],
                verbose_name="days that slow queries are kept",
            ),
        ),
        migrations.CreateModel(
            name="DirtyDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization_id", models.BigIntegerField()),
                ("started_at", models.DateTimeField(db_index=True)),
                ("version", models.BigIntegerField(default=1)),
                (
                    "database",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="collectors.monitoreddatabase"
                    ),
                ),
            ],
            options={
                "db_table": "dirty_days",
                "constraints": [models.UniqueConstraint(fields=("database", "started_at"), name="dirty_days_unique")],
            },
        ),
        migrations.CreateModel(
            name="DirtyHour",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization_id", models.BigIntegerField()),
                ("started_at", models.DateTimeField(db_index=True)),
                ("version", models.BigIntegerField(default=1)),
                (
                    "database",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="collectors.monitoreddatabase"
                    ),
                ),
            ],
            options={
                "db_table": "dirty_hours",
                "constraints": [models.UniqueConstraint(fields=("database", "started_at"), name="dirty_hours_unique")],
            },
        ),
        migrations.RunPython(create, drop),
    ]
