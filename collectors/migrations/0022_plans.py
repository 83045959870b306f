"""Plans of statements, told where a team wants them."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collectors", "0021_list_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Plan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization_id", models.BigIntegerField()),
                ("shape", models.CharField(max_length=32)),
                ("nodes", models.JSONField()),
                ("omitted", models.BigIntegerField(default=0)),
                ("server_version", models.CharField(max_length=128)),
                ("first_taken_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "taken_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="taken at"),
                ),
            ],
            options={
                "verbose_name": "plan",
                "verbose_name_plural": "plans",
                "db_table": "plans",
                "ordering": ["-taken_at", "-id"],
            },
        ),
        migrations.AddField(
            model_name="team",
            name="plans",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whoever may command collectors may ask for the plans of statements. A plan tells names of tables, columns and indexes, conditions without literals, and costs; nothing is run. It takes functions that an administrator installs on the server. Switched off, stored plans are removed.",
                verbose_name="plans",
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
                    ("explain", "explain"),
                ],
                max_length=20,
                verbose_name="command",
            ),
        ),
        migrations.AddIndex(
            model_name="command",
            index=models.Index(
                condition=models.Q(("command", "explain")),
                fields=["collector", "-id"],
                name="collector_commands_explain",
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="database",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="plans",
                to="collectors.monitoreddatabase",
                verbose_name="database",
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="fingerprint",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="plans",
                to="collectors.fingerprint",
                verbose_name="fingerprint",
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="statement",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="plans",
                to="collectors.statement",
                verbose_name="statement",
            ),
        ),
        migrations.AddIndex(
            model_name="plan",
            index=models.Index(fields=["taken_at"], name="plans_by_age"),
        ),
    ]
