"""What deliveries showed of a server's PIPELINING and CHUNKING."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0013_attempt_totals"),
    ]

    operations = [
        migrations.AddField(model_name="smtpserver", name="manners", field=models.JSONField(null=True)),
    ]
