from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0025_announcement_states"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="reopened",
            field=models.IntegerField(db_default=0, default=0),
        ),
    ]
