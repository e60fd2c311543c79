"""Who gets no mail any more, and from which links people leave a list."""

from django.db import models

from postroom.store.ids import new_id

from .outbox import Message


class Suppression(models.Model):
    """An address that gets no mail. `address` is as `terms.address.canonical` makes it.

    `list_name` bounds it: "" stops every message, "*" every message of a list, else those of the list of that name.
    Claims read this table (`store/suppressed.py`); the unique index is what they look into.
    """

    class Reason(models.TextChoices):
        HARD_BOUNCE = "hard-bounce"
        COMPLAINT = "complaint"
        UNSUBSCRIBE = "unsubscribe"
        MANUAL = "manual"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    address = models.CharField(max_length=254)
    list_name = models.CharField(max_length=100, blank=True, db_default="")
    reason = models.CharField(max_length=16, choices=Reason.choices)
    since = models.DateTimeField(db_index=True)
    evidence = models.CharField(max_length=500, blank=True, db_default="")
    message = models.ForeignKey(Message, null=True, on_delete=models.SET_NULL)
    created_by = models.CharField(max_length=254, blank=True, db_default="")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("address", "list_name"), name="suppression_once"),)


class UnsubscribeLink(models.Model):
    """What a signed link of RFC 8058 stands for: the link holds the id of this row and no address (S6). It outlives
    the messages, for people leave a list years later."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    address = models.CharField(max_length=254)
    list_name = models.CharField(max_length=100)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("address", "list_name"), name="unsubscribe_link_once"),)
