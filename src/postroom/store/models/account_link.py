"""Links by which people set their own password."""

from django.db import models

from postroom.store.ids import new_id

from .access import User


class AccountLink(models.Model):
    """A link to set a password: signed, once, until `expires_at`. The link holds this id and no address.

    One for a reset begins without a user: whether somebody has `address` is looked up where nobody waits for the
    answer (W8), and `queued_at` is when its mail was queued."""

    class Purpose(models.TextChoices):
        INVITATION = "invitation"
        RESET = "reset"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="links")
    address = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254, blank=True, db_default="")
    expires_at = models.DateTimeField(db_index=True)
    queued_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
