"""Since when the totals of a database come from performance_schema."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("collectors", "0003_leases")]

    operations = [
        migrations.AddField(
            model_name="monitoreddatabase",
            name="digests_since",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AlterModelOptions(
            name="auditentry",
            options={"ordering": ["-id"], "verbose_name_plural": "audit entries"},
        ),
    ]
