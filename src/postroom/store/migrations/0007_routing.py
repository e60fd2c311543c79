"""Where an attempt moved its delivery; and the default server as the first of the order."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def put_the_default_first(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001  Django's call
    """Number the servers from 0 in the order in which they were used."""
    servers = apps.get_model("store", "SmtpServer").objects
    for position, server in enumerate(servers.order_by("-is_default", "is_sandbox", "position", "created_at")):
        servers.filter(pk=server.pk).update(position=position)


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0003_daily_work"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="moved_to",
            field=models.CharField(blank=True, db_default="", max_length=100),
        ),
        migrations.RunPython(put_the_default_first, migrations.RunPython.noop),
    ]
