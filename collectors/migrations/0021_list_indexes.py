"""What the console's lists are ordered by.

Nothing that a heartbeat writes is indexed.
"""

from django.db import migrations, models

# Unmanaged and partitioned. The newest partition holds what is asked for, and its index grows at one end.
SLOW_QUERIES = "CREATE INDEX slow_queries_by_time ON slow_queries (started_at, id)"


class Migration(migrations.Migration):
    dependencies = [
        ("collectors", "0020_fingerprint_notes"),
    ]

    operations = [
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
        migrations.RunSQL(SLOW_QUERIES, "DROP INDEX slow_queries_by_time"),
    ]
