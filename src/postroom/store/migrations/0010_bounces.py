"""What comes back about sent mail, who gets no more, and the lists that people can leave."""

import django.db.models.deletion
from django.db import migrations, models

import postroom.store.ids


class Migration(migrations.Migration):
    dependencies = [
        ("store", "0009_pace"),
    ]

    operations = [
        migrations.CreateModel(
            name="BounceMailbox",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=postroom.store.ids.new_id,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("host", models.CharField(max_length=253)),
                ("port", models.IntegerField(default=993)),
                ("username", models.CharField(max_length=254)),
                ("sealed_password", models.TextField(blank=True)),
                ("folder", models.CharField(default="INBOX", max_length=200)),
                ("done_folder", models.CharField(blank=True, max_length=200)),
                ("enabled", models.BooleanField(default=True)),
                ("looked_at", models.DateTimeField(null=True)),
                ("look_asked_at", models.DateTimeField(null=True)),
                ("fault", models.CharField(blank=True, max_length=500)),
                ("read_count", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="message",
            name="list_name",
            field=models.CharField(blank=True, db_default="", max_length=100),
        ),
        migrations.CreateModel(
            name="UnsubscribeLink",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=postroom.store.ids.new_id,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("address", models.CharField(max_length=254)),
                ("list_name", models.CharField(max_length=100)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("address", "list_name"), name="unsubscribe_link_once")],
            },
        ),
        migrations.CreateModel(
            name="Bounce",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=postroom.store.ids.new_id,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("at", models.DateTimeField(db_index=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("failed", "Failed"),
                            ("delayed", "Delayed"),
                            ("delivered", "Delivered"),
                            ("complaint", "Complaint"),
                        ],
                        max_length=9,
                    ),
                ),
                ("recipient", models.CharField(max_length=254)),
                ("status", models.CharField(blank=True, max_length=12)),
                ("diagnostic", models.TextField(blank=True)),
                ("reporter", models.CharField(blank=True, max_length=255)),
                ("is_permanent", models.BooleanField(default=False)),
                ("cause", models.CharField(blank=True, max_length=64)),
                ("finding", models.JSONField(null=True)),
                ("way", models.CharField(max_length=16)),
                ("digest", models.CharField(max_length=64, unique=True)),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="bounces", to="store.delivery"
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="bounces", to="store.message"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["kind", "message"], name="bounce_kind")],
            },
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=postroom.store.ids.new_id,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("address", models.CharField(max_length=254)),
                ("list_name", models.CharField(blank=True, db_default="", max_length=100)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("hard-bounce", "Hard Bounce"),
                            ("complaint", "Complaint"),
                            ("unsubscribe", "Unsubscribe"),
                            ("manual", "Manual"),
                        ],
                        max_length=16,
                    ),
                ),
                ("since", models.DateTimeField(db_index=True)),
                ("evidence", models.CharField(blank=True, db_default="", max_length=500)),
                ("created_by", models.CharField(blank=True, db_default="", max_length=254)),
                (
                    "message",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to="store.message"),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("address", "list_name"), name="suppression_once")],
            },
        ),
    ]
