"""Contents in the database: a message's octets are committed together with it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0006_audit"),
    ]

    operations = [
        migrations.CreateModel(
            name="Content",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("layout", models.JSONField(null=True)),
                ("octets", models.BinaryField()),
            ],
        ),
        migrations.AddField(
            model_name="message",
            name="content",
            field=models.ForeignKey(
                db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING,
                to="store.content",
            ),
        ),
    ]
