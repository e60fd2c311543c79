"""Which engine has a delivery under lease, where several work on one database."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0011_uploads_and_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery", name="lease_holder", field=models.CharField(max_length=64, null=True)
        ),
    ]
