"""What came back about deliveries after they were sent, and the mailbox in which it arrives."""

from django.db import models

from postroom.store.ids import new_id

from .outbox import Delivery, Message


class Bounce(models.Model):
    """One report about one delivery. It never changes what the delivery came to: *sent* stays sent.

    `kind` is failed, delayed, delivered or complaint. `status` is an enhanced status code (RFC 3463), `diagnostic` the
    remote server's own words. `digest` is that of report and recipient: a report that is read twice counts once.
    """

    class Kind(models.TextChoices):
        FAILED = "failed"
        DELAYED = "delayed"
        DELIVERED = "delivered"
        COMPLAINT = "complaint"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    at = models.DateTimeField(db_index=True)
    kind = models.CharField(max_length=9, choices=Kind.choices)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="bounces")
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="bounces")
    recipient = models.CharField(max_length=254)
    status = models.CharField(max_length=12, blank=True)
    diagnostic = models.TextField(blank=True)
    reporter = models.CharField(max_length=255, blank=True)
    is_permanent = models.BooleanField(default=False)
    cause = models.CharField(max_length=64, blank=True)
    finding = models.JSONField(null=True)
    way = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        indexes = (models.Index(fields=("kind", "message"), name="bounce_kind"),)


class BounceMailbox(models.Model):
    """A mailbox that the engine reads for bounces over IMAP with TLS; at most one row. The password is sealed to host,
    port and user name. `fault` tells why the last look failed, "" when it did not, `fault_since` since when they do."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    host = models.CharField(max_length=253)
    port = models.IntegerField(default=993)
    username = models.CharField(max_length=254)
    sealed_password = models.TextField(blank=True)
    folder = models.CharField(max_length=200, default="INBOX")
    done_folder = models.CharField(max_length=200, blank=True)
    enabled = models.BooleanField(default=True)
    looked_at = models.DateTimeField(null=True)
    look_asked_at = models.DateTimeField(null=True)
    fault = models.CharField(max_length=500, blank=True)
    fault_since = models.DateTimeField(null=True)
    read_count = models.BigIntegerField(default=0)
