"""Since when the mailbox for bounces can't be read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("store", "0023_push_key")]

    operations = [
        migrations.AddField("bouncemailbox", "fault_since", models.DateTimeField(null=True)),
    ]
