"""Labels of enrolment tokens, clocks of hosts, and the history of a collector: its collections, its errors, outages of ours."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

COLLECTIONS = """
CREATE TABLE collections (
    id {identity},
    organization_id bigint NOT NULL,
    collector_id bigint NOT NULL,
    started_at {time} NOT NULL,
    received_at {time} NOT NULL,
    calls bigint,
    interval_minutes integer NOT NULL,
    rows integer NOT NULL,
    duplicates integer NOT NULL,
    took_ms integer NOT NULL,
    is_stale {boolean} NOT NULL,
    source varchar(20) NOT NULL{key}
) {partitioned}
"""
# The one order in which they are read. It is the key on PostgreSQL, so that a row is written into one index.
POSTGRESQL = {
    "time": "timestamptz",
    "boolean": "boolean",
    "identity": "bigint GENERATED ALWAYS AS IDENTITY",
    "key": ",\n    PRIMARY KEY (collector_id, started_at, id)",
    "partitioned": "PARTITION BY RANGE (started_at)",
}
SQLITE = {
    "time": "datetime",
    "boolean": "bool",
    "identity": "integer PRIMARY KEY AUTOINCREMENT",
    "key": "",
    "partitioned": "",
}


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    on_postgresql = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(COLLECTIONS.format(**(POSTGRESQL if on_postgresql else SQLITE)))
    if on_postgresql:
        schema_editor.execute("CREATE TABLE collections_default PARTITION OF collections DEFAULT")
    else:
        schema_editor.execute("CREATE INDEX collections_of_collector ON collections (collector_id, started_at)")
        schema_editor.execute("CREATE INDEX collections_by_time ON collections (started_at)")


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute("DROP TABLE collections")


class Migration(migrations.Migration):
    dependencies = [
        ("collectors", "0022_plans"),
    ]

    operations = [
        migrations.AddField(
            model_name="enrolmenttoken",
            name="region",
            field=models.CharField(blank=True, db_default="", default="", max_length=40, verbose_name="region"),
        ),
        migrations.AddField(
            model_name="enrolmenttoken",
            name="tags",
            field=models.JSONField(db_default=models.Value([], models.JSONField()), default=list, verbose_name="tags"),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="clock_skew_seconds",
            field=models.FloatField(null=True, verbose_name="clock skew"),
        ),
        migrations.AddField(
            model_name="statuschange",
            name="detail",
            field=models.CharField(blank=True, db_default="", default="", max_length=500, verbose_name="detail"),
        ),
        migrations.AddField(
            model_name="statuschange",
            name="last_heartbeat",
            field=models.DateTimeField(null=True, verbose_name="last heartbeat"),
        ),
        migrations.CreateModel(
            name="Outage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
            ],
            options={
                "db_table": "control_plane_outages",
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["ended_at"], name="control_plane_outages_by_time")],
            },
        ),
        migrations.RunPython(create, drop),
        migrations.CreateModel(
            name="Collection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization_id", models.BigIntegerField()),
                ("started_at", models.DateTimeField(verbose_name="read at")),
                ("received_at", models.DateTimeField(verbose_name="received at")),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("slow_log", "slow_log"),
                            ("performance_schema", "performance_schema"),
                            ("pg_stat_statements", "pg_stat_statements"),
                        ],
                        max_length=20,
                        verbose_name="source",
                    ),
                ),
                ("interval_minutes", models.PositiveIntegerField()),
                ("rows", models.IntegerField(verbose_name="rows")),
                ("calls", models.BigIntegerField(null=True, verbose_name="calls")),
                ("duplicates", models.IntegerField(verbose_name="duplicates")),
                ("is_stale", models.BooleanField()),
                ("took_ms", models.IntegerField()),
            ],
            options={
                "verbose_name": "collection",
                "verbose_name_plural": "collections",
                "db_table": "collections",
                "ordering": ["-started_at"],
                "managed": False,
            },
        ),
    ]
