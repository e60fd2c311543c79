"""Whose turn it is: deliveries know their client and purpose, which have a range of its own in the queue's index."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.functions import Concat, Left

WAITING = ("queued", "deferred", "uncertain", "sending", "held")


def tell_clients(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001  Django's call
    """What waits already gets its client; what is over is never claimed."""
    message = apps.get_model("store", "Message").objects.filter(pk=models.OuterRef("message"))
    key = Concat("client_id", models.Value(":"), Left("purpose", 1))
    waiting = apps.get_model("store", "Delivery").objects.filter(state__in=WAITING, message__client__isnull=False)
    waiting.update(turn_key=models.Subquery(message.values(key=key)[:1]))


class Migration(migrations.Migration):
    dependencies = [
        ("store", "0014_manners"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery", name="turn_key",
            field=models.CharField(blank=True, db_default="", max_length=30),
        ),
        migrations.RunPython(tell_clients, migrations.RunPython.noop),
        migrations.RemoveIndex(model_name="delivery", name="delivery_next"),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["server", "state", "-priority", "turn_key", "due_at"], name="delivery_next"
            ),
        ),
    ]
