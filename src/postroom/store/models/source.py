"""Where reports come from."""

from django.db import models

from postroom.store.ids import new_id


class SqlConnection(models.Model):
    """A database that sources may read. `settings` by kind: sqlite {"path"}; postgresql {"host", "port", "database",
    "username", "tls"}. The password is sealed to where it goes."""

    class Kind(models.TextChoices):
        SQLITE = "sqlite"
        POSTGRESQL = "postgresql"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    settings = models.JSONField(default=dict)
    sealed_password = models.TextField(blank=True, db_default="")
    secret_id = models.CharField(max_length=26, blank=True, db_default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)


class ReportSource(models.Model):
    """Where one report comes from. `settings` by kind: file {"root", "pattern", "fresh_within_s"}; url {"url",
    "headers", "timeout_s"}, a secret header sealed in `sealed_secret`; sql {"query", "format", "timeout_s",
    "most_rows"} with a `connection`; pushed {} (through the API)."""

    class Kind(models.TextChoices):
        FILE = "file"
        URL = "url"
        SQL = "sql"
        PUSHED = "pushed"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    description = models.CharField(max_length=300, blank=True, db_default="")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    connection = models.ForeignKey(SqlConnection, null=True, on_delete=models.PROTECT, related_name="sources")
    settings = models.JSONField(default=dict)
    sealed_secret = models.TextField(blank=True, db_default="")
    secret_id = models.CharField(max_length=26, blank=True, db_default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)


class StoredReport(models.Model):
    """A report as it was fetched, rendered or pushed: the octets are the blob of `digest`. `row_count` is null where
    the report has no rows that can be counted. `sample` holds its columns and first rows, for conditions and previews.
    Kept as long as a run, a link or a newest push refers to it. `push_key` is a digest of the Idempotency-Key that a
    push came with, null without one: the same push twice is one report."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    source = models.ForeignKey(ReportSource, null=True, on_delete=models.SET_NULL, related_name="reports")
    digest = models.CharField(max_length=64, db_index=True)
    size_bytes = models.BigIntegerField()
    file_name = models.CharField(max_length=255)
    media_type = models.CharField(max_length=200)
    row_count = models.BigIntegerField(null=True)
    sample = models.JSONField(default=dict)
    origin = models.CharField(max_length=500, blank=True, db_default="")
    push_key = models.CharField(max_length=64, null=True, unique=True)
    made_at = models.DateTimeField(db_index=True)


class ReportLink(models.Model):
    """A signed link by which a recipient fetches a report that is too large to attach. The link holds this id, signed,
    and no address; after `expires_at` it says so and gives nothing."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    report = models.ForeignKey(StoredReport, on_delete=models.CASCADE, related_name="links")
    recipient = models.CharField(max_length=254, blank=True, db_default="")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    fetched_at = models.DateTimeField(null=True)
    fetch_count = models.IntegerField(default=0)


class SourceTry(models.Model):
    """Somebody asked to fetch a report now, or to sign in to a database; an engine does it. When it has ended there is
    a `report`, or a `fault` {"kind", "text", "wording", "evidence"}, or for a connection neither: it works. `starts`
    counts the engines that began it."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    source = models.ForeignKey(ReportSource, null=True, on_delete=models.CASCADE, related_name="tries")
    connection = models.ForeignKey(SqlConnection, null=True, on_delete=models.CASCADE, related_name="tries")
    parameters = models.JSONField(default=dict)
    asked_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(db_index=True)
    started_at = models.DateTimeField(null=True)
    starts = models.IntegerField(default=0, db_default=0)
    finished_at = models.DateTimeField(null=True)
    report = models.ForeignKey(StoredReport, null=True, on_delete=models.SET_NULL, related_name="tries")
    fault = models.JSONField(null=True)
