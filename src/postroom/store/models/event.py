"""Events on their way to webhooks, the webhooks, and what each of them was told."""

from django.db import models

from postroom.store.ids import new_id


class Event(models.Model):
    """Something that happened and that a webhook wants to hear. Triggers of the database write it, in the commit of the
    change itself (`store/event_triggers.py`); the engine turns it into deliveries and removes it.

    `subject` is the id of what it happened to; `facts` what is known of that at the moment."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=40)
    at = models.DateTimeField()
    subject = models.CharField(max_length=26)
    facts = models.JSONField()


class Webhook(models.Model):
    """An address that hears of events; `events` are kinds, [] for all of them. Of messages it hears where they have one
    of `tags` and one of `purposes`, [] for any. The secret signs and is never sent.

    `previous_secret` signs beside it until `previous_until`, so that a receiver has time to take over the new one.
    `failures` counts attempts since the last success, `failing_since` is the first of them; until `retry_at` nothing is
    tried. `paused_for` tells why it is paused: manual, failing, gone or backlog; "" while it works."""

    class Pause(models.TextChoices):
        MANUAL = "manual"
        FAILING = "failing"
        GONE = "gone"
        BACKLOG = "backlog"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    url = models.CharField(max_length=2_000)
    events = models.JSONField(default=list)
    tags = models.JSONField(default=list)
    purposes = models.JSONField(default=list)
    sealed_secret = models.TextField()
    previous_secret = models.TextField(blank=True, db_default="")
    previous_until = models.DateTimeField(null=True)
    paused_for = models.CharField(max_length=8, choices=Pause.choices, blank=True, db_default="")
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=254, blank=True, db_default="")
    failures = models.IntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    last_problem = models.CharField(max_length=500, blank=True, db_default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)


class WebhookDelivery(models.Model):
    """One request to a webhook: up to a hundred events in a `body` that stays as it is, however often it is sent.

    `state` is waiting, succeeded or failed. `attempts` are the latest ones as {"at", "seconds", "status", "problem",
    "answer"}; `attempt_count` counts all since it was made or sent again. One that `is_test` goes first, paused or not,
    and once."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    kinds = models.JSONField(default=list)
    event_count = models.IntegerField()
    body = models.TextField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    due_at = models.DateTimeField()
    created_at = models.DateTimeField()
    give_up_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    attempt_count = models.IntegerField(default=0)
    attempts = models.JSONField(default=list)
    is_test = models.BooleanField(db_default=False, default=False)
    replayed_by = models.CharField(max_length=254, blank=True, db_default="")

    class Meta:
        indexes = (
            models.Index(fields=("webhook", "-id"), name="webhook_history"),
            models.Index(
                fields=("webhook", "-is_test", "due_at"), name="webhook_waiting",
                condition=models.Q(state="waiting"),
            ),
            models.Index(fields=("created_at",), name="webhook_delivery_age"),
        )
