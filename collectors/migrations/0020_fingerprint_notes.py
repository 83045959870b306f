"""Notes and tags on statements."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collectors", "0019_costs_by_time"),
    ]

    operations = [
        migrations.CreateModel(
            name="FingerprintNote",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization_id", models.BigIntegerField()),
                ("author_label", models.CharField(max_length=254)),
                ("text", models.CharField(max_length=4000, verbose_name="text")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="created at"
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "fingerprint",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="notes", to="collectors.fingerprint"
                    ),
                ),
            ],
            options={
                "verbose_name": "note",
                "verbose_name_plural": "notes",
                "db_table": "fingerprint_notes",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="FingerprintTag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization_id", models.BigIntegerField()),
                ("name", models.CharField(max_length=40, verbose_name="name")),
                (
                    "fingerprint",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tags", to="collectors.fingerprint"
                    ),
                ),
            ],
            options={
                "verbose_name": "tag",
                "verbose_name_plural": "tags",
                "db_table": "fingerprint_tags",
                "ordering": ["name"],
                "indexes": [models.Index(fields=["organization_id", "name"], name="fingerprint_tags_by_name")],
                "constraints": [
                    models.UniqueConstraint(fields=("fingerprint", "name"), name="fingerprint_tags_unique")
                ],
            },
        ),
    ]
