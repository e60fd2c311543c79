"""What the DNS says of mail domains."""

from django.db import models

from postroom.store.ids import new_id


class DomainCheck(models.Model):
    """A look at the DNS of a mail domain, asked for by a door and done by the engine. `server_host` is the server that
    would send for it, when one is known; `result` is what the look came to, empty until `finished_at`."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    domain = models.CharField(max_length=253)
    server_host = models.CharField(max_length=253, blank=True)
    result = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_index=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("domain", "server_host", "created_at"), name="domain_check_latest"),)
