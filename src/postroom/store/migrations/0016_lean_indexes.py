"""Fewer indexes, since each costs every message: what waits lies in one of its own, and keys of what is hardly ever
deleted have none."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

WAITS = models.Q(("state", "queued"), ("state", "deferred"), ("state", "uncertain"), _connector="OR")
# Indexes of a single column that Django made by itself, by table.
SINGLE = {
    "store_message": ("created_at", "server_id", "resend_of_id"),
    "store_attempt": ("delivery_id", "server_id"),
}


def drop_single(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001  Django's call
    """Dropped by what they are, not by altering the columns: on SQLite that would copy the whole tables."""
    connection = schema_editor.connection
    for table, columns in SINGLE.items():
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, table)
        for name, about in found.items():
            is_plain = about["index"] and not about["unique"] and not about["primary_key"] and not about["foreign_key"]
            if is_plain and len(about["columns"]) == 1 and about["columns"][0] in columns:
                schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(name)}")


def _key(to: str, on_delete: object, **more: object) -> models.ForeignKey:
    return models.ForeignKey(db_index=False, on_delete=on_delete, to=to, **more)


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0015_turns"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="delivery", name="delivery_due"),
        migrations.RemoveIndex(model_name="delivery", name="delivery_next"),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["server", "-priority", "turn_key", "due_at", "message"], name="delivery_next", condition=WAITS
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["due_at"], name="delivery_deferred", condition=models.Q(("state", "deferred"))),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(drop_single, migrations.RunPython.noop)],
            state_operations=[
                migrations.AlterField("message", "created_at", models.DateTimeField()),
                migrations.AlterField(
                    "message", "server", _key("store.smtpserver", django.db.models.deletion.SET_NULL, null=True)
                ),
                migrations.AlterField(
                    "message", "resend_of",
                    _key("store.message", django.db.models.deletion.SET_NULL, null=True, related_name="resends"),
                ),
                migrations.AlterField(
                    "attempt", "server", _key("store.smtpserver", django.db.models.deletion.SET_NULL, null=True)
                ),
                migrations.AlterField(
                    "attempt", "delivery",
                    _key("store.delivery", django.db.models.deletion.CASCADE, related_name="attempts"),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                fields=["resend_of"], name="message_resend", condition=models.Q(("resend_of__isnull", False))
            ),
        ),
    ]
