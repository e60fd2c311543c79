"""Files that clients uploaded, to be attached to messages."""

from django.db import models

from postroom.store.ids import new_id


class Upload(models.Model):
    """A file of a client (`scope` is the client's id). It is stored as it leaves, in base64 lines: `digest` and
    `encoded_bytes` are those of that blob, `size_bytes` is the file's own length. Unused for a time it is forgotten."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    scope = models.CharField(max_length=26)
    digest = models.CharField(max_length=64, db_index=True)
    encoded_bytes = models.BigIntegerField()
    size_bytes = models.BigIntegerField()
    media_type = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("scope", "digest", "media_type"), name="upload_once"),)
