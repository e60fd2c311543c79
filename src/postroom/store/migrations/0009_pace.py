"""Rates and how the engines stand with servers, and the rules by which messages get their server."""

import django.db.models.deletion
from django.db import migrations, models

import postroom.store.ids


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0008_content"),
    ]

    operations = [
        migrations.CreateModel(
            name="SendRate",
            fields=[
                ("server", models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE, primary_key=True, serialize=False,
                    to="store.smtpserver",
                )),
                ("arrival_us", models.BigIntegerField(default=0)),
                ("quarters", models.TextField(blank=True, default="")),
            ],
        ),
        migrations.CreateModel(
            name="LaneState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("engine", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
                ("sessions", models.IntegerField(default=0)),
                ("allowed", models.IntegerField(default=0)),
                ("slots", models.IntegerField(default=0)),
                ("slots_until", models.DateTimeField(null=True)),
                ("held_by", models.CharField(blank=True, max_length=32)),
                ("held_until", models.DateTimeField(null=True)),
                ("cooldown_until", models.DateTimeField(null=True)),
                ("slowed_at", models.DateTimeField(null=True)),
                ("slowed_reply", models.CharField(blank=True, max_length=500)),
                ("rate", models.FloatField(null=True)),
                ("server", models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="lanes", to="store.smtpserver"
                )),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("server", "engine"), name="lane_of_engine")],
            },
        ),
        migrations.CreateModel(
            name="DeliveryRule",
            fields=[
                ("id", models.CharField(
                    default=postroom.store.ids.new_id, editable=False, max_length=26, primary_key=True, serialize=False
                )),
                ("name", models.CharField(blank=True, max_length=100)),
                ("position", models.IntegerField(default=0)),
                ("enabled", models.BooleanField(default=True)),
                ("purposes", models.JSONField(default=list)),
                ("senders", models.JSONField(default=list)),
                ("recipient_domains", models.JSONField(default=list)),
                ("clients", models.JSONField(default=list)),
                ("tags", models.JSONField(default=list)),
                ("min_attempts", models.IntegerField(default=0)),
                ("only", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("server", models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="rules",
                    to="store.smtpserver",
                )),
            ],
            options={"ordering": ("position", "id")},
        ),
    ]
