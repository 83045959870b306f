import collectors.domain.commands
import collectors.domain.liveness
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collectors", "0014_user_preferences"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="auditentry",
            options={"ordering": ["-id"], "verbose_name": "audit entry", "verbose_name_plural": "audit entries"},
        ),
        migrations.AlterModelOptions(
            name="collector",
            options={"ordering": ["name", "id"], "verbose_name": "collector", "verbose_name_plural": "collectors"},
        ),
        migrations.AlterModelOptions(
            name="command",
            options={"ordering": ["-id"], "verbose_name": "command", "verbose_name_plural": "commands"},
        ),
        migrations.AlterModelOptions(
            name="enrolmenttoken",
            options={"ordering": ["-id"], "verbose_name": "enrolment token", "verbose_name_plural": "enrolment tokens"},
        ),
        migrations.AlterModelOptions(
            name="fingerprint",
            options={"verbose_name": "fingerprint", "verbose_name_plural": "fingerprints"},
        ),
        migrations.AlterModelOptions(
            name="gap",
            options={"ordering": ["-covered_to"], "verbose_name": "gap", "verbose_name_plural": "gaps"},
        ),
        migrations.AlterModelOptions(
            name="heartbeat",
            options={"verbose_name": "heartbeat", "verbose_name_plural": "heartbeats"},
        ),
        migrations.AlterModelOptions(
            name="invitation",
            options={"ordering": ["-id"], "verbose_name": "invitation", "verbose_name_plural": "invitations"},
        ),
        migrations.AlterModelOptions(
            name="membership",
            options={"ordering": ["id"], "verbose_name": "membership", "verbose_name_plural": "memberships"},
        ),
        migrations.AlterModelOptions(
            name="monitoreddatabase",
            options={
                "ordering": ["name", "id"],
                "verbose_name": "monitored database",
                "verbose_name_plural": "monitored databases",
            },
        ),
        migrations.AlterModelOptions(
            name="organization",
            options={"ordering": ["name"], "verbose_name": "organization", "verbose_name_plural": "organizations"},
        ),
        migrations.AlterModelOptions(
            name="personaltoken",
            options={"ordering": ["-id"], "verbose_name": "API token", "verbose_name_plural": "API tokens"},
        ),
        migrations.AlterModelOptions(
            name="slowquery",
            options={
                "managed": False,
                "ordering": ["-started_at"],
                "verbose_name": "slow query",
                "verbose_name_plural": "slow queries",
            },
        ),
        migrations.AlterModelOptions(
            name="statement",
            options={"verbose_name": "statement", "verbose_name_plural": "statements"},
        ),
        migrations.AlterModelOptions(
            name="statuschange",
            options={"ordering": ["-id"], "verbose_name": "status change", "verbose_name_plural": "status changes"},
        ),
        migrations.AlterModelOptions(
            name="team",
            options={"ordering": ["name"], "verbose_name": "team", "verbose_name_plural": "teams"},
        ),
        migrations.AlterModelOptions(
            name="user",
            options={"ordering": ["email"], "verbose_name": "user", "verbose_name_plural": "users"},
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="action",
            field=models.CharField(max_length=60, verbose_name="action"),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="actor",
            field=models.CharField(max_length=254, verbose_name="actor"),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="address",
            field=models.CharField(blank=True, max_length=45, verbose_name="address"),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="after",
            field=models.JSONField(default=dict, verbose_name="after"),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="before",
            field=models.JSONField(default=dict, verbose_name="before"),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="created_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created at"),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="object_id",
            field=models.BigIntegerField(null=True, verbose_name="object id"),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="object_label",
            field=models.CharField(blank=True, max_length=254, verbose_name="object label"),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="object_type",
            field=models.CharField(max_length=40, verbose_name="object type"),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="collectors.organization",
                verbose_name="organization",
            ),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="position",
            field=models.BigIntegerField(editable=False, null=True, verbose_name="position"),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="seal",
            field=models.CharField(blank=True, default="", editable=False, max_length=64, verbose_name="seal"),
        ),
        migrations.AlterField(
            model_name="collector",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="created at"
            ),
        ),
        migrations.AlterField(
            model_name="collector",
            name="database",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="collectors",
                to="collectors.monitoreddatabase",
                verbose_name="database",
            ),
        ),
        migrations.AlterField(
            model_name="collector",
            name="name",
            field=models.CharField(max_length=200, verbose_name="name"),
        ),
        migrations.AlterField(
            model_name="collector",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="collectors",
                to="collectors.organization",
                verbose_name="organization",
            ),
        ),
        migrations.AlterField(
            model_name="collector",
            name="team",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="collectors",
                to="collectors.team",
                verbose_name="team",
            ),
        ),
        migrations.AlterField(
            model_name="collector",
            name="type",
            field=models.CharField(
                choices=[("mysql", "mysql"), ("postgres", "postgres")], max_length=20, verbose_name="type"
            ),
        ),
        migrations.AlterField(
            model_name="command",
            name="collector",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="commands",
                to="collectors.collector",
                verbose_name="collector",
            ),
        ),
        migrations.AlterField(
            model_name="command",
            name="command",
            field=models.CharField(
                choices=[
                    ("start", "start"),
                    ("stop", "stop"),
                    ("collect", "collect"),
                    ("update_config", "update_config"),
                    ("audit", "audit"),
                ],
                max_length=20,
                verbose_name="command",
            ),
        ),
        migrations.AlterField(
            model_name="command",
            name="created_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created at"),
        ),
        migrations.AlterField(
            model_name="command",
            name="delivered_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="delivered at"),
        ),
        migrations.AlterField(
            model_name="command",
            name="ended_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="ended at"),
        ),
        migrations.AlterField(
            model_name="command",
            name="expires_at",
            field=models.DateTimeField(verbose_name="expires at"),
        ),
        migrations.AlterField(
            model_name="command",
            name="requested_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="requested by",
            ),
        ),
        migrations.AlterField(
            model_name="command",
            name="result",
            field=models.JSONField(blank=True, null=True, verbose_name="result"),
        ),
        migrations.AlterField(
            model_name="command",
            name="state",
            field=models.CharField(
                choices=[
                    ("pending", "pending"),
                    ("delivered", "delivered"),
                    ("succeeded", "succeeded"),
                    ("failed", "failed"),
                    ("expired", "expired"),
                    ("cancelled", "cancelled"),
                ],
                default=collectors.domain.commands.CommandState["PENDING"],
                max_length=10,
                verbose_name="state",
            ),
        ),
        migrations.AlterField(
            model_name="enrolmenttoken",
            name="created_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created at"),
        ),
        migrations.AlterField(
            model_name="enrolmenttoken",
            name="created_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="created by",
            ),
        ),
        migrations.AlterField(
            model_name="enrolmenttoken",
            name="expires_at",
            field=models.DateTimeField(verbose_name="expires at"),
        ),
        migrations.AlterField(
            model_name="enrolmenttoken",
            name="max_uses",
            field=models.PositiveIntegerField(verbose_name="hosts that may use it"),
        ),
        migrations.AlterField(
            model_name="enrolmenttoken",
            name="name",
            field=models.CharField(max_length=200, verbose_name="name"),
        ),
        migrations.AlterField(
            model_name="enrolmenttoken",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="enrolment_tokens",
                to="collectors.organization",
                verbose_name="organization",
            ),
        ),
        migrations.AlterField(
            model_name="enrolmenttoken",
            name="revoked_at",
            field=models.DateTimeField(null=True, verbose_name="revoked at"),
        ),
        migrations.AlterField(
            model_name="enrolmenttoken",
            name="team",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="enrolment_tokens",
                to="collectors.team",
                verbose_name="team",
            ),
        ),
        migrations.AlterField(
            model_name="enrolmenttoken",
            name="type",
            field=models.CharField(
                choices=[("mysql", "mysql"), ("postgres", "postgres")], max_length=20, verbose_name="type"
            ),
        ),
        migrations.AlterField(
            model_name="enrolmenttoken",
            name="uses",
            field=models.PositiveIntegerField(default=0, verbose_name="uses"),
        ),
        migrations.AlterField(
            model_name="fingerprint",
            name="created_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created at"),
        ),
        migrations.AlterField(
            model_name="fingerprint",
            name="fingerprint_id",
            field=models.CharField(max_length=16, verbose_name="fingerprint"),
        ),
        migrations.AlterField(
            model_name="fingerprint",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="fingerprints",
                to="collectors.organization",
                verbose_name="organization",
            ),
        ),
        migrations.AlterField(
            model_name="fingerprint",
            name="text",
            field=models.TextField(verbose_name="text"),
        ),
        migrations.AlterField(
            model_name="gap",
            name="amount",
            field=models.BigIntegerField(null=True, verbose_name="amount"),
        ),
        migrations.AlterField(
            model_name="gap",
            name="covered_from",
            field=models.DateTimeField(verbose_name="covered from"),
        ),
        migrations.AlterField(
            model_name="gap",
            name="covered_to",
            field=models.DateTimeField(verbose_name="covered to"),
        ),
        migrations.AlterField(
            model_name="gap",
            name="created_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created at"),
        ),
        migrations.AlterField(
            model_name="gap",
            name="database",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="gaps",
                to="collectors.monitoreddatabase",
                verbose_name="database",
            ),
        ),
        migrations.AlterField(
            model_name="gap",
            name="detail",
            field=models.CharField(blank=True, max_length=500, verbose_name="detail"),
        ),
        migrations.AlterField(
            model_name="gap",
            name="kind",
            field=models.CharField(
                choices=[
                    ("baseline", "counting began here"),
                    ("generation", "the source's counters began anew"),
                    ("evictions", "the source dropped statements"),
                    ("overflow", "the source had no room for statements"),
                    ("lost_rows", "rows of the slow log were gone before they were read"),
                    ("missed", "the source was not read in time"),
                    ("spool", "uploads were dropped from a full spool"),
                    ("approximate", "times of rows are approximate"),
                    ("expired", "rows older than the retention were not stored"),
                ],
                max_length=12,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="gap",
            name="source",
            field=models.CharField(
                choices=[
                    ("slow_log", "slow_log"),
                    ("performance_schema", "performance_schema"),
                    ("pg_stat_statements", "pg_stat_statements"),
                ],
                max_length=20,
                verbose_name="source",
            ),
        ),
        migrations.AlterField(
            model_name="heartbeat",
            name="errors_count",
            field=models.BigIntegerField(default=0, verbose_name="errors count"),
        ),
        migrations.AlterField(
            model_name="heartbeat",
            name="last_collection",
            field=models.DateTimeField(null=True, verbose_name="last collection"),
        ),
        migrations.AlterField(
            model_name="heartbeat",
            name="last_error",
            field=models.TextField(blank=True, verbose_name="last error"),
        ),
        migrations.AlterField(
            model_name="heartbeat",
            name="last_heartbeat",
            field=models.DateTimeField(null=True, verbose_name="last heartbeat"),
        ),
        migrations.AlterField(
            model_name="heartbeat",
            name="queries_collected",
            field=models.BigIntegerField(default=0, verbose_name="queries collected"),
        ),
        migrations.AlterField(
            model_name="heartbeat",
            name="status",
            field=models.CharField(
                choices=[
                    ("STARTING", "STARTING"),
                    ("ONLINE", "ONLINE"),
                    ("ERROR", "ERROR"),
                    ("STOPPED", "STOPPED"),
                    ("OFFLINE", "OFFLINE"),
                ],
                default=collectors.domain.liveness.Status["STARTING"],
                max_length=10,
                verbose_name="status",
            ),
        ),
        migrations.AlterField(
            model_name="heartbeat",
            name="version",
            field=models.CharField(blank=True, max_length=32, verbose_name="version"),
        ),
        migrations.AlterField(
            model_name="invitation",
            name="accepted_at",
            field=models.DateTimeField(null=True, verbose_name="accepted at"),
        ),
        migrations.AlterField(
            model_name="invitation",
            name="created_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created at"),
        ),
        migrations.AlterField(
            model_name="invitation",
            name="email",
            field=models.EmailField(max_length=254, verbose_name="e-mail address"),
        ),
        migrations.AlterField(
            model_name="invitation",
            name="expires_at",
            field=models.DateTimeField(verbose_name="expires at"),
        ),
        migrations.AlterField(
            model_name="invitation",
            name="invited_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="invited by",
            ),
        ),
        migrations.AlterField(
            model_name="invitation",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="invitations",
                to="collectors.organization",
                verbose_name="organization",
            ),
        ),
        migrations.AlterField(
            model_name="invitation",
            name="revoked_at",
            field=models.DateTimeField(null=True, verbose_name="revoked at"),
        ),
        migrations.AlterField(
            model_name="invitation",
            name="role",
            field=models.CharField(
                choices=[("ORG_ADMIN", "ORG_ADMIN"), ("TEAM_LEAD", "TEAM_LEAD"), ("USER", "USER")],
                max_length=20,
                verbose_name="role",
            ),
        ),
        migrations.AlterField(
            model_name="invitation",
            name="team",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="invitations",
                to="collectors.team",
                verbose_name="team",
            ),
        ),
        migrations.AlterField(
            model_name="membership",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="created at"
            ),
        ),
        migrations.AlterField(
            model_name="membership",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="memberships",
                to="collectors.organization",
                verbose_name="organization",
            ),
        ),
        migrations.AlterField(
            model_name="membership",
            name="role",
            field=models.CharField(
                choices=[("ORG_ADMIN", "ORG_ADMIN"), ("TEAM_LEAD", "TEAM_LEAD"), ("USER", "USER")],
                max_length=20,
                verbose_name="role",
            ),
        ),
        migrations.AlterField(
            model_name="membership",
            name="team",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="memberships",
                to="collectors.team",
                verbose_name="team",
            ),
        ),
        migrations.AlterField(
            model_name="membership",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="memberships",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AlterField(
            model_name="monitoreddatabase",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="created at"
            ),
        ),
        migrations.AlterField(
            model_name="monitoreddatabase",
            name="name",
            field=models.CharField(max_length=200, verbose_name="name"),
        ),
        migrations.AlterField(
            model_name="monitoreddatabase",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="databases",
                to="collectors.organization",
                verbose_name="organization",
            ),
        ),
        migrations.AlterField(
            model_name="monitoreddatabase",
            name="team",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="databases",
                to="collectors.team",
                verbose_name="team",
            ),
        ),
        migrations.AlterField(
            model_name="monitoreddatabase",
            name="type",
            field=models.CharField(
                choices=[("mysql", "mysql"), ("postgres", "postgres")], max_length=20, verbose_name="type"
            ),
        ),
        migrations.AlterField(
            model_name="organization",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="created at"
            ),
        ),
        migrations.AlterField(
            model_name="organization",
            name="name",
            field=models.CharField(max_length=200, verbose_name="name"),
        ),
        migrations.AlterField(
            model_name="personaltoken",
            name="created_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created at"),
        ),
        migrations.AlterField(
            model_name="personaltoken",
            name="expires_at",
            field=models.DateTimeField(verbose_name="expires at"),
        ),
        migrations.AlterField(
            model_name="personaltoken",
            name="last_used_address",
            field=models.CharField(blank=True, max_length=45, verbose_name="last used address"),
        ),
        migrations.AlterField(
            model_name="personaltoken",
            name="last_used_at",
            field=models.DateTimeField(null=True, verbose_name="last used at"),
        ),
        migrations.AlterField(
            model_name="personaltoken",
            name="name",
            field=models.CharField(max_length=200, verbose_name="name"),
        ),
        migrations.AlterField(
            model_name="personaltoken",
            name="revoked_at",
            field=models.DateTimeField(null=True, verbose_name="revoked at"),
        ),
        migrations.AlterField(
            model_name="personaltoken",
            name="scopes",
            field=models.JSONField(default=list, verbose_name="scopes"),
        ),
        migrations.AlterField(
            model_name="statement",
            name="database",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="statements",
                to="collectors.monitoreddatabase",
                verbose_name="database",
            ),
        ),
        migrations.AlterField(
            model_name="statement",
            name="digest",
            field=models.CharField(blank=True, max_length=64, verbose_name="digest"),
        ),
        migrations.AlterField(
            model_name="statement",
            name="fingerprint",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="statements",
                to="collectors.fingerprint",
                verbose_name="fingerprint",
            ),
        ),
        migrations.AlterField(
            model_name="statement",
            name="first_seen",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="first seen"),
        ),
        migrations.AlterField(
            model_name="statement",
            name="key",
            field=models.CharField(max_length=255, verbose_name="key"),
        ),
        migrations.AlterField(
            model_name="statement",
            name="schema_name",
            field=models.CharField(blank=True, max_length=200, verbose_name="schema name"),
        ),
        migrations.AlterField(
            model_name="statement",
            name="source",
            field=models.CharField(
                choices=[
                    ("slow_log", "slow_log"),
                    ("performance_schema", "performance_schema"),
                    ("pg_stat_statements", "pg_stat_statements"),
                ],
                max_length=20,
                verbose_name="source",
            ),
        ),
        migrations.AlterField(
            model_name="statement",
            name="text_state",
            field=models.CharField(
                choices=[("wanted", "Wanted"), ("known", "Known"), ("unavailable", "Unavailable")],
                default="wanted",
                max_length=12,
                verbose_name="text state",
            ),
        ),
        migrations.AlterField(
            model_name="statement",
            name="user_name",
            field=models.CharField(blank=True, max_length=200, verbose_name="user name"),
        ),
        migrations.AlterField(
            model_name="statuschange",
            name="cause",
            field=models.CharField(
                choices=[
                    ("registered", "registered"),
                    ("heartbeat", "heartbeat"),
                    ("heartbeat with an error", "heartbeat with an error"),
                    ("start accepted", "start accepted"),
                    ("start carried out", "start carried out"),
                    ("stop carried out", "stop carried out"),
                    ("no heartbeat before the deadline", "no heartbeat before the deadline"),
                ],
                max_length=40,
                verbose_name="cause",
            ),
        ),
        migrations.AlterField(
            model_name="statuschange",
            name="changed_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="changed at"),
        ),
        migrations.AlterField(
            model_name="statuschange",
            name="collector",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="status_changes",
                to="collectors.collector",
                verbose_name="collector",
            ),
        ),
        migrations.AlterField(
            model_name="statuschange",
            name="new_status",
            field=models.CharField(
                choices=[
                    ("STARTING", "STARTING"),
                    ("ONLINE", "ONLINE"),
                    ("ERROR", "ERROR"),
                    ("STOPPED", "STOPPED"),
                    ("OFFLINE", "OFFLINE"),
                ],
                max_length=10,
                verbose_name="new status",
            ),
        ),
        migrations.AlterField(
            model_name="statuschange",
            name="old_status",
            field=models.CharField(
                blank=True,
                choices=[
                    ("STARTING", "STARTING"),
                    ("ONLINE", "ONLINE"),
                    ("ERROR", "ERROR"),
                    ("STOPPED", "STOPPED"),
                    ("OFFLINE", "OFFLINE"),
                ],
                max_length=10,
                verbose_name="old status",
            ),
        ),
        migrations.AlterField(
            model_name="team",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="created at"
            ),
        ),
        migrations.AlterField(
            model_name="team",
            name="name",
            field=models.CharField(max_length=200, verbose_name="name"),
        ),
        migrations.AlterField(
            model_name="team",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="teams",
                to="collectors.organization",
                verbose_name="organization",
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="created at"
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="email",
            field=models.EmailField(max_length=254, unique=True, verbose_name="e-mail address"),
        ),
        migrations.AlterField(
            model_name="user",
            name="is_active",
            field=models.BooleanField(
                default=True, help_text="Whoever is not active cannot sign in.", verbose_name="active"
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="name",
            field=models.CharField(blank=True, max_length=200, verbose_name="name"),
        ),
    ]
