"""What the console's lists are ordered by, and where a stretch of time lies in what all databases cost.

Nothing that a heartbeat writes is indexed.
"""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# Unmanaged and partitioned. The newest partition holds what is asked for, and its index grows at one end.
SLOW_QUERIES = "CREATE INDEX slow_queries_by_time ON slow_queries (started_at, id)"
# A partition holds weeks, in the order in which they passed: a BRIN of some pages tells which part an hour or a day is in, and
# costs next to nothing when rows are added. SQLite has none, nor so many rows.
BY_TIME = (
    "CREATE INDEX {table}_by_time ON {table} USING brin (started_at) WITH (pages_per_range = 16, autosummarize = on)"
)
COST_TABLES = ("query_buckets", "query_hours", "query_days")


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute(SLOW_QUERIES)
    if schema_editor.connection.vendor == "postgresql":
        for table in COST_TABLES:
            schema_editor.execute(BY_TIME.format(table=table))


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute("DROP INDEX slow_queries_by_time")
    if schema_editor.connection.vendor == "postgresql":
        for table in COST_TABLES:
            schema_editor.execute(f"DROP INDEX {table}_by_time")


class Migration(migrations.Migration):
    dependencies = [
        ("collectors", "0015_words"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="collector",
            index=models.Index(fields=["name", "id"], name="collectors_by_name"),
        ),
        migrations.AddIndex(
            model_name="monitoreddatabase",
            index=models.Index(fields=["name", "id"], name="monitored_databases_by_name"),
        ),
        migrations.AddIndex(
            model_name="gap",
            index=models.Index(fields=["covered_to", "id"], name="completeness_gaps_recent"),
        ),
        migrations.AddIndex(
            model_name="statuschange",
            index=models.Index(fields=["organization_id", "-id"], name="status_changes_of_tenant"),
        ),
        migrations.AddIndex(
            model_name="statuschange",
            index=models.Index(fields=["changed_at"], name="status_changes_by_time"),
        ),
        migrations.AddIndex(
            model_name="command",
            index=models.Index(fields=["organization_id", "-id"], name="collector_commands_of_tenant"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["object_type", "object_id", "-id"], name="audit_entries_of_object"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["user_id", "-id"], name="audit_entries_of_user"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["created_at"], name="audit_entries_by_time"),
        ),
        migrations.AddIndex(
            model_name="statement",
            index=models.Index(fields=["fingerprint", "first_seen"], name="statements_first_seen"),
        ),
        migrations.RunPython(create, drop),
    ]
