"""What servers were given lately, and how the engines stand with them."""

from django.db import models

from postroom.store.ids import new_id

from .server import SmtpServer


class SendRate(models.Model):
    """What a server was given, for its limits per minute and per day: `policy.rate.Spent`. Written in the claim's
    transaction by every engine, so that a limit holds for all of them together."""

    server = models.OneToOneField(SmtpServer, primary_key=True, on_delete=models.CASCADE)
    arrival_us = models.BigIntegerField(default=0)
    quarters = models.TextField(blank=True, default="")


class LaneState(models.Model):
    """How one engine stands with one server. An engine writes its rows about once a second, where they changed.

    `sessions` are open, of `allowed`; `slots` are this engine's share of a server's connections while `slots_until`
    lasts. `held_by` names the limit that lets nothing through until `held_until`; `cooldown_until` ends the time for
    which a failing server is left alone; while `slowed_at` is set the server asked for less with `slowed_reply`, and
    gets at most `rate` messages a minute."""

    server = models.ForeignKey(SmtpServer, on_delete=models.CASCADE, related_name="lanes")
    engine = models.CharField(max_length=64)
    at = models.DateTimeField()
    sessions = models.IntegerField(default=0)
    allowed = models.IntegerField(default=0)
    slots = models.IntegerField(default=0)
    slots_until = models.DateTimeField(null=True)
    held_by = models.CharField(max_length=32, blank=True)
    held_until = models.DateTimeField(null=True)
    cooldown_until = models.DateTimeField(null=True)
    slowed_at = models.DateTimeField(null=True)
    slowed_reply = models.CharField(max_length=500, blank=True)
    rate = models.FloatField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("server", "engine"), name="lane_of_engine"),)


class DeliveryRule(models.Model):
    """Which server messages of a kind leave through. An empty condition holds for every message; of several values of a
    condition one is enough, but `recipient_domains` must cover every recipient. `only`: wait for this server rather
    than leave through another one. A rule whose server was removed has none, and is passed over."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    name = models.CharField(max_length=100, blank=True)
    position = models.IntegerField(default=0)
    enabled = models.BooleanField(default=True)
    purposes = models.JSONField(default=list)
    senders = models.JSONField(default=list)
    recipient_domains = models.JSONField(default=list)
    clients = models.JSONField(default=list)
    tags = models.JSONField(default=list)
    min_attempts = models.IntegerField(default=0)
    server = models.ForeignKey(SmtpServer, null=True, on_delete=models.SET_NULL, related_name="rules")
    only = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("position", "id")
