from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0029_run_engine"),
    ]

    operations = [
        migrations.AddField(
            model_name="sourcetry",
            name="starts",
            field=models.IntegerField(db_default=0, default=0),
        ),
    ]
