"""Attempts since the beginning, for monitoring; begun with what the hours still tell."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

HOUR_S = 3_600
UNTIMED = -1


def begin(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    tally, total = (apps.get_model("store", name) for name in ("DeliveryTally", "AttemptTotal"))
    cells = tally.objects.filter(width_s=HOUR_S).values("server_id", "outcome", "cause")
    total.objects.bulk_create(
        total(**cell, bucket=UNTIMED, seconds=0.0) for cell in cells.annotate(attempts=models.Sum("attempts")).order_by()
    )


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0012_lease_holder"),
    ]

    operations = [
        migrations.CreateModel(
            name="AttemptTotal",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("server_id", models.CharField(blank=True, max_length=26)),
                ("outcome", models.CharField(max_length=9)),
                ("cause", models.CharField(blank=True, max_length=64)),
                ("bucket", models.SmallIntegerField()),
                ("attempts", models.BigIntegerField()),
                ("seconds", models.FloatField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("server_id", "outcome", "cause", "bucket"), name="attempt_total")
                ],
            },
        ),
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]
