"""Costs by time alone, on PostgreSQL: a page of all databases reads an hour of them, not the partition it lies in.

Rows come in the order of time, so that a few bytes for every 32 pages tell which of them to read. Of pages that are filled
anew autovacuum keeps the record. SQLite has no such index, and holds far less.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLES = ("query_buckets", "query_hours", "query_days")


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table in TABLES:
            schema_editor.execute(
                f"CREATE INDEX {table}_by_time ON {table} USING brin (started_at) "
                "WITH (pages_per_range = 32, autosummarize = on)"
            )


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table in TABLES:
            schema_editor.execute(f"DROP INDEX {table}_by_time")


class Migration(migrations.Migration):
    dependencies = [
        ("collectors", "0018_collector_lists"),
    ]

    operations = [migrations.RunPython(create, drop)]
