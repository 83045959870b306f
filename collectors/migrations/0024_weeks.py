"""Days rolled up to weeks. Every week of which there is anything is marked, and read in days until the worker has made it."""

from datetime import UTC, datetime, timedelta

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone

# What all tables of costs hold, since 0005_rollups_and_retention.
SUMS = (
    "rows_examined rows_affected lock_time_ns errors warnings shared_blks_hit shared_blks_read shared_blks_dirtied "
    "shared_blks_written local_blks_hit local_blks_read temp_blks_read temp_blks_written blk_read_time_ns "
    "blk_write_time_ns wal_records wal_fpi wal_bytes tmp_tables tmp_disk_tables full_scans no_index_used cpu_time_ns"
).split()
COLUMNS = (
    "statement_id started_at organization_id database_id calls total_time_ns min_time_ns max_time_ns rows".split()
    + SUMS
)
TABLE = """
CREATE TABLE query_weeks (
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
# How many groups there are by `collectors.services.queries.apart`, that is hardly more than texts. Without it the planner expects
# as many as there are statements, and does not share the work of adding up among processes.
STATISTICS = """
CREATE STATISTICS statements_by_text (ndistinct)
ON fingerprint_id, (CASE WHEN fingerprint_id IS NULL THEN id ELSE 0::bigint END) FROM statements
"""
DAYS = {"bucket": "query_buckets", "hour": "query_hours", "day": "query_days"}
WEEKS = {**DAYS, "week": "query_weeks"}
# Those that are rolled up, those that are on their way there, and what is being written while workers of the version before
# may still run: these mark no weeks.
MARK_ALL = """
INSERT INTO dirty_weeks (organization_id, database_id, started_at, version)
SELECT found.organization_id, found.database_id, found.week, 1 FROM (
    SELECT organization_id, database_id, {week} AS week FROM query_days
    UNION SELECT organization_id, database_id, {week} FROM dirty_days
    UNION SELECT organization_id, database_id, {week} FROM dirty_hours
    UNION SELECT d.organization_id, d.id, w.week FROM monitored_databases d CROSS JOIN (SELECT %s AS week UNION SELECT %s) w
    WHERE EXISTS (SELECT 1 FROM statements s WHERE s.database_id = d.id)
) found JOIN monitored_databases d ON d.id = found.database_id
"""
WEEK = {
    "postgresql": "date_bin('7 days', started_at, TIMESTAMPTZ '1970-01-01 00:00:00+00')",
    "sqlite": "datetime(CAST(strftime('%%s', started_at) AS integer) / 604800 * 604800, 'unixepoch')",
}


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    on_postgresql = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(
        TABLE.format(
            time="timestamptz" if on_postgresql else "datetime",
            counters=",\n    ".join(f"{name} bigint" for name in SUMS),
            partitioned="PARTITION BY RANGE (started_at)" if on_postgresql else "",
        )
    )
    schema_editor.execute("CREATE INDEX query_weeks_by_database ON query_weeks (database_id, started_at)")
    if on_postgresql:
        schema_editor.execute("CREATE TABLE query_weeks_default PARTITION OF query_weeks DEFAULT")
        schema_editor.execute(
            "CREATE INDEX query_weeks_by_time ON query_weeks USING brin (started_at) "
            "WITH (pages_per_range = 32, autosummarize = on)"
        )
        schema_editor.execute(STATISTICS)
        schema_editor.execute("ANALYZE statements")
    schema_editor.execute("DROP VIEW query_costs")
    schema_editor.execute(view(WEEKS))
    mark_all(schema_editor.connection)


def mark_all(connection: BaseDatabaseWrapper) -> None:
    now, adapt = timezone.now(), connection.ops.adapt_datetimefield_value
    weeks = [adapt(_beginning(now)), adapt(_beginning(now + timedelta(days=7)))]
    with connection.cursor() as cursor:
        cursor.execute(MARK_ALL.format(week=WEEK[connection.vendor]), weeks)


def _beginning(at: datetime) -> datetime:
    epoch = datetime.fromtimestamp(0, UTC)
    return epoch + (at - epoch) // timedelta(days=7) * timedelta(days=7)


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute("DROP VIEW query_costs")
    schema_editor.execute(view(DAYS))
    schema_editor.execute("DROP TABLE query_weeks")
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP STATISTICS statements_by_text")


def view(tables: dict[str, str]) -> str:
    """Return the statement that makes one view of all resolutions."""
    shown = ", ".join(COLUMNS)
    parts = (
        f"SELECT CAST('{word}' AS varchar(6)) AS resolution, {shown} FROM {table}"  # noqa: S608 - names are ours
        for word, table in tables.items()
    )
    return f"CREATE VIEW query_costs AS {' UNION ALL '.join(parts)}"


class Migration(migrations.Migration):
    dependencies = [
        ("collectors", "0023_collector_history"),
    ]

    operations = [
        migrations.CreateModel(
            name="DirtyWeek",
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
                "db_table": "dirty_weeks",
                "constraints": [models.UniqueConstraint(fields=("database", "started_at"), name="dirty_weeks_unique")],
            },
        ),
        migrations.AddIndex(
            model_name="monitoreddatabase",
            index=models.Index(
                condition=models.Q(("digests_since__isnull", False)),
                fields=["digests_since"],
                name="monitored_databases_digests",
            ),
        ),
        migrations.RunPython(create, drop),
    ]
