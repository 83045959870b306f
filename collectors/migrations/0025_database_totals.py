"""What whole databases cost by the hour, day and week, for charts of many of them.

Roll-ups write it beside what they write of statements. A worker of the version before may still roll up without it, so it is
complete from the day after tomorrow on; before that charts add up statements, as until now. Where nothing was rolled up yet
there is nothing to wait for.
"""

from datetime import UTC, datetime, timedelta

from django.db import migrations, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone

TABLE = """
CREATE TABLE {name} (
    database_id bigint NOT NULL,
    started_at {time} NOT NULL,
    organization_id bigint NOT NULL,
    calls bigint NOT NULL,
    total_time_ns bigint NOT NULL,
    PRIMARY KEY (database_id, started_at)
) {partitioned}
"""
RESOLUTIONS = {"hour": "database_hours", "day": "database_days", "week": "database_weeks"}
COLUMNS = "started_at, organization_id, database_id, calls, total_time_ns"
# How many groups there are by `collectors.services.queries.text_key`, hardly more than texts; of 0024_weeks, by what it was before.
# Without it the planner expects as many as there are statements, and does not share the work of adding up among processes.
BY_TEXT_KEY = "CREATE STATISTICS statements_by_text ON (COALESCE(fingerprint_id, id * -1)) FROM statements"
BY_TEXT = """
CREATE STATISTICS statements_by_text (ndistinct)
ON fingerprint_id, (CASE WHEN fingerprint_id IS NULL THEN id ELSE 0::bigint END) FROM statements
"""
INDEX = "CREATE INDEX {name}_by_time ON {name} USING brin (started_at) WITH (pages_per_range = 32, autosummarize = on)"


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    on_postgresql = schema_editor.connection.vendor == "postgresql"
    for name in RESOLUTIONS.values():
        schema_editor.execute(
            TABLE.format(
                name=name,
                time="timestamptz" if on_postgresql else "datetime",
                partitioned="PARTITION BY RANGE (started_at)" if on_postgresql else "",
            )
        )
        if on_postgresql:
            schema_editor.execute(f"CREATE TABLE {name}_default PARTITION OF {name} DEFAULT")
            schema_editor.execute(INDEX.format(name=name))
    schema_editor.execute(view())
    if on_postgresql:
        schema_editor.execute("DROP STATISTICS statements_by_text")
        schema_editor.execute(BY_TEXT_KEY)
        schema_editor.execute("ANALYZE statements")
    begin(schema_editor.connection)


def begin(connection: BaseDatabaseWrapper) -> None:
    """Let totals be read from the day after tomorrow on, where something was rolled up without them."""
    day, epoch = timedelta(days=1), datetime.fromtimestamp(0, UTC)
    begins = epoch + ((timezone.now() - epoch) // day + 2) * day
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE control_plane SET totals_since = %s WHERE EXISTS (SELECT 1 FROM query_hours)",
            [connection.ops.adapt_datetimefield_value(begins)],
        )


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP STATISTICS statements_by_text")
        schema_editor.execute(BY_TEXT)
    schema_editor.execute("DROP VIEW database_costs")
    for name in RESOLUTIONS.values():
        schema_editor.execute(f"DROP TABLE {name}")


def view() -> str:
    """Return the statement that makes one view of all resolutions; buckets are there by statement, as they are stored."""
    parts = [f"SELECT CAST('bucket' AS varchar(6)) AS resolution, statement_id, {COLUMNS} FROM query_buckets"]  # noqa: S608 - names are ours
    parts += (
        f"SELECT CAST('{word}' AS varchar(6)), CAST(NULL AS bigint), {COLUMNS} FROM {name}"  # noqa: S608 - names are ours
        for word, name in RESOLUTIONS.items()
    )
    return f"CREATE VIEW database_costs AS {' UNION ALL '.join(parts)}"


class Migration(migrations.Migration):
    dependencies = [
        ("collectors", "0024_weeks"),
    ]

    operations = [
        migrations.AddField(
            model_name="controlplane",
            name="totals_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="statement",
            index=models.Index(
                condition=models.Q(("source", "slow_log")),
                fields=["database"],
                include=["id"],
                name="statements_of_slow_log",
            ),
        ),
        migrations.AddIndex(
            model_name="collector",
            index=models.Index(
                condition=models.Q(("collection_interval_minutes", 5), _negated=True),
                fields=["id"],
                name="collectors_of_own_interval",
            ),
        ),
        migrations.AddIndex(
            model_name="collector",
            index=models.Index(
                condition=models.Q(("key_rotation_requested_at__isnull", False)),
                fields=["key_rotation_requested_at"],
                name="collectors_asked_for_a_new_key",
            ),
        ),
        migrations.AddIndex(
            model_name="command",
            index=models.Index(
                condition=models.Q(("state__in", ("failed", "expired"))),
                fields=["created_at"],
                name="collector_commands_failed",
            ),
        ),
        migrations.RunPython(create, drop),
        migrations.CreateModel(
            name="DatabaseCost",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "database_id",
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
                        choices=[
                            ("bucket", "five minutes"),
                            ("hour", "an hour"),
                            ("day", "a day"),
                            ("week", "a week"),
                        ],
                        max_length=6,
                    ),
                ),
                ("calls", models.BigIntegerField()),
                ("total_time_ns", models.BigIntegerField()),
                (
                    "database",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=models.DO_NOTHING,
                        related_name="+",
                        to="collectors.monitoreddatabase",
                    ),
                ),
                (
                    "statement",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=models.DO_NOTHING,
                        related_name="+",
                        to="collectors.statement",
                    ),
                ),
            ],
            options={"db_table": "database_costs", "ordering": ["-started_at"], "managed": False},
        ),
    ]
