from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0028_webhook_filter"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="engine",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
