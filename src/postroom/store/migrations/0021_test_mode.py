"""Test mode of a server, beside those of the site and of subscriptions."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("store", "0020_webhooks")]

    operations = [
        migrations.AddField(
            model_name="smtpserver",
            name="test_mode",
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict),
        ),
    ]
