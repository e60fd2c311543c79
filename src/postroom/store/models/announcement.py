"""What is written to many people at once, each in a message of their own."""

from django.db import models

from postroom.store.ids import new_id

from .server import SmtpServer


class Announcement(models.Model):
    """`texts` is {language: {"subject", "text"}}, the first of them for whoever speaks another. `audience` is {"users",
    "recipients"} (all of them, when true), {"groups"} (ids) and {"addresses"}.

    `state`: waiting until an engine fixes its recipients, sending while messages are queued, then done or stopped (by
    hand). `problem` is what holds it up. `planned` were fixed, `queued` of them have their message, `left_out` get
    none on purpose, and for `failed` there could be none. Whoever may leave (`can_leave`) has a link for it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SENDING = "sending"
        DONE = "done"
        STOPPED = "stopped"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    texts = models.JSONField(default=dict)
    audience = models.JSONField(default=dict)
    can_leave = models.BooleanField(default=True)
    server = models.ForeignKey(SmtpServer, null=True, on_delete=models.SET_NULL)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING, db_index=True)
    planned = models.IntegerField(default=0)
    queued = models.IntegerField(default=0)
    left_out = models.IntegerField(default=0)
    failed = models.IntegerField(default=0, db_default=0)
    problem = models.JSONField(null=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)
    sender_id = models.CharField(max_length=26, blank=True, db_default="")
    sender_name = models.CharField(max_length=150, blank=True, db_default="")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)


class AnnouncementRecipient(models.Model):
    """One address of one announcement, fixed before the first message is queued, with what was known of the recipient
    then. `left_out` tells why nobody writes to it: suppressed, domain-not-allowed, or failed, for the reason `failure`
    (a Wording); "" otherwise. `message_id` is the message's id here, "" until it is queued."""

    id = models.BigAutoField(primary_key=True)
    announcement = models.ForeignKey(Announcement, on_delete=models.CASCADE, related_name="recipients")
    position = models.IntegerField()
    address = models.CharField(max_length=254)
    name = models.CharField(max_length=150, blank=True, db_default="")
    language = models.CharField(max_length=8, blank=True, db_default="")
    time_zone = models.CharField(max_length=64, blank=True, db_default="")
    values = models.JSONField(null=True)
    left_out = models.CharField(max_length=300, blank=True, db_default="")
    failure = models.JSONField(null=True)
    message_id = models.CharField(max_length=26, blank=True, db_default="")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("announcement", "position"), name="announcement_position"),
        )
