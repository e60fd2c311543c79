"""The durable outbox: accepted messages, one delivery for each recipient, and every attempt.

The engine reads and writes Delivery and Attempt with the raw statements of `store/queue_sqlite.py` and those beside it;
columns named there must not be renamed without it. An index costs each message that is accepted, and each change of
its columns: there is one where a page or the queue itself needs it, and none for what is rarely deleted.
"""

from django.db import models

from postroom.store.blobs import DamagedBlob
from postroom.store.content import FrozenContent, content_from, one_file
from postroom.store.ids import new_id
from postroom.terms.outcome import DeliveryState

from .access import ApiToken
from .server import SmtpServer


class Content(models.Model):
    """Inline octets that several messages may share; `layout` tells where files lie between them, null where none do.
    Written once, removed by the sweep of contents. The layout lies before the octets, so that it is read without them.
    """

    id = models.BigAutoField(primary_key=True)
    layout = models.JSONField(null=True)
    octets = models.BinaryField()


class Message(models.Model):
    """An accepted message. Its `content_size` bytes are frozen; `content_digest` as in `FrozenContent`. Without a
    `content` they are the blob of that digest.

    Ids sort by the time of acceptance, and lists choose a period by them: a row made with an earlier `created_at` needs
    an id of that time (`ids.id_at`). `client_name` is a token's name, or a person's where a page handed the message in.
    `server` was chosen at acceptance; `pinned` when the client named it: then no other server ever carries the message.
    `list_name` is the list that the recipient can leave, "" for mail that is no subscription.
    """

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    client = models.ForeignKey(ApiToken, null=True, on_delete=models.PROTECT)
    client_name = models.CharField(max_length=100, blank=True)
    server = models.ForeignKey(SmtpServer, null=True, on_delete=models.SET_NULL, db_index=False)
    pinned = models.BooleanField(db_default=False)
    resend_of = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="resends", db_index=False
    )
    message_id = models.CharField(max_length=998)
    reverse_path = models.CharField(max_length=254, blank=True)
    from_header = models.CharField(max_length=500)
    subject = models.CharField(max_length=998, blank=True)
    purpose = models.CharField(max_length=16, default="notification")
    priority = models.SmallIntegerField(default=0)
    list_name = models.CharField(max_length=100, blank=True, db_default="")
    content_digest = models.CharField(max_length=64)
    content_size = models.BigIntegerField()
    # Neither index nor constraint: both would cost each accepted message, and the sweep reads what refers to what.
    content = models.ForeignKey(Content, null=True, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    needs_8bit = models.BooleanField(default=False)
    needs_smtputf8 = models.BooleanField(default=False)
    attachments = models.JSONField(default=list)
    tags = models.JSONField(default=list)
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    send_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=("id", "purpose", "client_name"), name="message_list"),
            models.Index(fields=("message_id",), name="message_header_id"),
            models.Index(
                fields=("resend_of",), name="message_resend", condition=models.Q(resend_of__isnull=False)
            ),
        )

    @property
    def frozen_content(self) -> FrozenContent:
        """Raises DamagedBlob where the stored row is gone or can't be read."""
        if self.content_id is None:
            return one_file(self.content_digest, self.content_size)
        try:
            stored = self.content
        except Content.DoesNotExist:
            stored = None
        if stored is None:
            raise DamagedBlob("the stored content is gone")
        return content_from(bytes(stored.octets), stored.layout)


# With OR, for `IN` would cost SQLite a table of its own for each row; statements that mean the index say the same.
WAITS = models.Q(state="queued") | models.Q(state="deferred") | models.Q(state="uncertain")


class Delivery(models.Model):
    """One recipient of a message. `fence` grows with every claim; a settlement with an older fence is refused (U8).

    `turn_key` tells whose turn it is when deliveries are claimed: its client's with its purpose. `lease_holder` names
    the engine that claimed it, where several work on one database."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="deliveries")
    recipient = models.CharField(max_length=254)
    state = models.CharField(
        max_length=9, default=DeliveryState.QUEUED, choices=[(s.value, s.value) for s in DeliveryState]
    )
    due_at = models.DateTimeField()
    priority = models.SmallIntegerField(default=0)
    turn_key = models.CharField(max_length=30, blank=True, db_default="")
    attempt_count = models.IntegerField(default=0)
    fence = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    lease_holder = models.CharField(max_length=64, null=True)
    uncertain_count = models.IntegerField(default=0)
    server = models.ForeignKey(SmtpServer, null=True, on_delete=models.SET_NULL, db_index=False)
    last_reply = models.TextField(blank=True)
    cause = models.CharField(max_length=64, blank=True)
    finding = models.JSONField(null=True)
    updated_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=("state", "message"), name="delivery_state"),
            models.Index(fields=("recipient", "message"), name="delivery_to"),
            models.Index(fields=("server", "message"), name="delivery_server"),
            models.Index(fields=("cause", "message"), name="delivery_cause", condition=~models.Q(cause="")),
            models.Index(
                fields=("server", "-priority", "turn_key", "due_at", "message"), name="delivery_next", condition=WAITS
            ),
            models.Index(fields=("due_at",), name="delivery_deferred", condition=models.Q(state="deferred")),
        )


class Attempt(models.Model):
    """One try for one recipient; inserted with the claim, completed with the settlement (D8, U9).

    `moved_to` names the server to which the delivery moved at once after it, "" when it stayed."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    # The constraint below has an index that begins with it.
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.IntegerField()
    server = models.ForeignKey(SmtpServer, null=True, on_delete=models.SET_NULL, db_index=False)
    server_name = models.CharField(max_length=100, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=9, blank=True)
    stage = models.CharField(max_length=12, blank=True)
    reply_code = models.SmallIntegerField(null=True)
    enhanced_code = models.CharField(max_length=12, blank=True)
    reply = models.TextField(blank=True)
    cause = models.CharField(max_length=64, blank=True)
    finding = models.JSONField(null=True)
    moved_to = models.CharField(max_length=100, blank=True, db_default="")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("delivery", "number"), name="attempt_number"),)


class IdempotencyKey(models.Model):
    """What an `Idempotency-Key` of a client answered; `scope` is the client's id (U4)."""

    scope = models.CharField(max_length=26)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    message = models.ForeignKey(Message, on_delete=models.CASCADE)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("scope", "key"), name="idempotency_key"),)
