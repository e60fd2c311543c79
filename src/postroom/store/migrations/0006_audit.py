"""Indexes for the page of the audit trail: by person and by action, each in the order of time."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0005_overview"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="auditentry", index=models.Index(fields=["actor", "id"], name="audit_actor")
        ),
        migrations.AddIndex(
            model_name="auditentry", index=models.Index(fields=["action", "id"], name="audit_action")
        ),
    ]
