"""The two tables that grow without end: partitioned by time on PostgreSQL, plain on SQLite."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

BUCKETS = """
CREATE TABLE query_buckets (
    statement_id bigint NOT NULL,
    started_at {time} NOT NULL,
    organization_id bigint NOT NULL,
    database_id bigint NOT NULL,
    calls bigint NOT NULL,
    total_time_ns bigint NOT NULL,
    min_time_ns bigint,
    max_time_ns bigint,
    rows bigint NOT NULL,
    rows_examined bigint,
    rows_affected bigint,
    lock_time_ns bigint,
    errors bigint,
    warnings bigint,
    shared_blks_hit bigint,
    shared_blks_read bigint,
    shared_blks_dirtied bigint,
    shared_blks_written bigint,
    local_blks_hit bigint,
    local_blks_read bigint,
    temp_blks_read bigint,
    temp_blks_written bigint,
    blk_read_time_ns bigint,
    blk_write_time_ns bigint,
    wal_records bigint,
    wal_fpi bigint,
    wal_bytes bigint,
    tmp_tables bigint,
    tmp_disk_tables bigint,
    full_scans bigint,
    no_index_used bigint,
    cpu_time_ns bigint,
    PRIMARY KEY (statement_id, started_at)
) {partitioned}
"""
SLOW_QUERIES = """
CREATE TABLE slow_queries (
    id {identity},
    organization_id bigint NOT NULL,
    database_id bigint NOT NULL,
    statement_id bigint NOT NULL,
    started_at {time} NOT NULL,
    time_approximate {boolean} NOT NULL,
    query_time_ns bigint NOT NULL,
    lock_time_ns bigint NOT NULL,
    rows_sent bigint NOT NULL,
    rows_examined bigint NOT NULL,
    rows_affected bigint NOT NULL,
    user_name varchar(200) NOT NULL,
    host varchar(255) NOT NULL,
    generation varchar(64),
    position bigint{key}
) {partitioned}
"""
INDEXES = (
    "CREATE INDEX query_buckets_by_database ON query_buckets (database_id, started_at)",
    "CREATE INDEX slow_queries_by_database ON slow_queries (database_id, started_at)",
    "CREATE INDEX slow_queries_by_statement ON slow_queries (statement_id, started_at)",
)
POSTGRESQL = {
    "time": "timestamptz",
    "boolean": "boolean",
    "identity": "bigint GENERATED ALWAYS AS IDENTITY",
    "key": ",\n    PRIMARY KEY (id, started_at)",
    "partitioned": "PARTITION BY RANGE (started_at)",
}
SQLITE = {
    "time": "datetime",
    "boolean": "bool",
    "identity": "integer PRIMARY KEY AUTOINCREMENT",
    "key": "",
    "partitioned": "",
}
# What lies outside of every partition made so far is still taken: an insert must never fail for want of a partition.
DEFAULT_PARTITIONS = (
    "CREATE TABLE query_buckets_default PARTITION OF query_buckets DEFAULT",
    "CREATE TABLE slow_queries_default PARTITION OF slow_queries DEFAULT",
)


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    on_postgresql = schema_editor.connection.vendor == "postgresql"
    words = POSTGRESQL if on_postgresql else SQLITE
    schema_editor.execute(BUCKETS.format(**words))
    schema_editor.execute(SLOW_QUERIES.format(**words))
    for statement in INDEXES + (DEFAULT_PARTITIONS if on_postgresql else ()):
        schema_editor.execute(statement)
    if on_postgresql:
        # Room in each page, so that a heartbeat's update stays in it and touches no index.
        schema_editor.execute(
            "ALTER TABLE collector_heartbeats SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)"
        )


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute("DROP TABLE slow_queries")
    schema_editor.execute("DROP TABLE query_buckets")


def create_control_plane(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("collectors", "ControlPlane").objects.using(schema_editor.connection.alias).create(id=1)


class Migration(migrations.Migration):
    dependencies = [("collectors", "0001_initial")]

    operations = [
        migrations.RunPython(create, drop),
        migrations.RunPython(create_control_plane, migrations.RunPython.noop),
    ]
