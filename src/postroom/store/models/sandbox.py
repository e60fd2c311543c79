"""The mailbox of the built-in sandbox server."""

from django.db import models

from postroom.store.ids import new_id


class SandboxMessage(models.Model):
    """A message that the sandbox server caught; its bytes are the blob `content_digest`."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    received_at = models.DateTimeField(db_index=True)
    reverse_path = models.CharField(max_length=254, blank=True)
    forward_paths = models.JSONField(default=list)
    subject = models.CharField(max_length=998, blank=True)
    from_header = models.CharField(max_length=998, blank=True)
    content_digest = models.CharField(max_length=64)
    content_size = models.BigIntegerField()
