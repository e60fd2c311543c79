"""Indexes for the list of messages: by state, recipient, server, cause and period, each in the order of acceptance."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0007_routing"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="delivery", name="delivery_lease"),
        migrations.RemoveIndex(model_name="delivery", name="delivery_recipient"),
        migrations.AlterField(
            model_name="delivery",
            name="server",
            field=models.ForeignKey(
                db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, to="store.smtpserver"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery", index=models.Index(fields=["state", "message"], name="delivery_state")
        ),
        migrations.AddIndex(
            model_name="delivery", index=models.Index(fields=["recipient", "message"], name="delivery_to")
        ),
        migrations.AddIndex(
            model_name="delivery", index=models.Index(fields=["server", "message"], name="delivery_server")
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("cause", ""), _negated=True), fields=["cause", "message"], name="delivery_cause"
            ),
        ),
        migrations.AddIndex(
            model_name="message", index=models.Index(fields=["id", "purpose", "client_name"], name="message_list")
        ),
        migrations.AddIndex(
            model_name="message", index=models.Index(fields=["message_id"], name="message_header_id")
        ),
        migrations.AddIndex(
            model_name="auditentry", index=models.Index(fields=["subject"], name="audit_subject")
        ),
    ]
