"""What people are warned of, and who was told."""

from django.db import models

from postroom.store.ids import new_id


class AlertRule(models.Model):
    """When to warn. `kind` is one of `policy.alert_kinds.KINDS`, `settings` its parameters by name. A built-in rule has
    its kind as its id; it can be changed and switched off, never removed. `addresses` are told besides nobody else;
    empty means those that alerts go to in general. `name` is "" where the kind's own title says it."""

    class Severity(models.TextChoices):
        WARNING = "warning"
        CRITICAL = "critical"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    kind = models.CharField(max_length=26)
    name = models.CharField(max_length=100, blank=True, db_default="")
    built_in = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    settings = models.JSONField(default=dict)
    addresses = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("created_at", "id")


class Alert(models.Model):
    """One thing that is wrong, from `opened_at` until `closed_at`. `key` tells it from others of its rule, such as the
    id of a server; `subject` is what people call that. `title`, `text` and each of `fix` are `Wording.as_json`;
    `evidence` quotes others. `link` is the page where it is put right, a path of ours.

    `clear_since` is when what is wrong was first not found any more: it closes once that has lasted. `told_at`,
    `reminded_at`, `escalated_at` and `closing_told_at` say when which news of it was decided to be told."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="alerts")
    kind = models.CharField(max_length=26)
    key = models.CharField(max_length=255, blank=True)
    subject = models.CharField(max_length=255, blank=True)
    severity = models.CharField(max_length=8, choices=AlertRule.Severity.choices)
    title = models.JSONField(default=list)
    text = models.JSONField(default=list)
    fix = models.JSONField(default=list)
    evidence = models.TextField(blank=True)
    link = models.CharField(max_length=255, blank=True)
    server_id = models.CharField(max_length=26, blank=True)
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    clear_since = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=254, blank=True)
    note = models.CharField(max_length=500, blank=True)
    told_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)
    escalated_at = models.DateTimeField(null=True)
    closing_told_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("rule", "key"), name="alert_open_once", condition=models.Q(closed_at__isnull=True)
            ),
        )
        indexes = (models.Index(fields=("closed_at", "id"), name="alert_closed"),)


class AlertNotice(models.Model):
    """One mail about alerts to one address, decided in the commit that notes the news as told; queued under its id as
    idempotency key, so that it leaves once. `news` is a list of {"alert", "event"}. `message_id` is "" until it is
    queued; `fault` tells why it could not be, and `due_at` when that is tried again."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    address = models.CharField(max_length=254)
    news = models.JSONField(default=list)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    tries = models.IntegerField(default=0)
    message_id = models.CharField(max_length=26, blank=True)
    fault = models.CharField(max_length=500, blank=True)
    given_up_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(
                fields=("due_at",), name="alert_notice_due",
                condition=models.Q(message_id="") & models.Q(given_up_at__isnull=True),
            ),
        )


class DomainWatch(models.Model):
    """What the DNS said of a sender's domain when it was last agreed with: `baseline` and `seen` map names of parts to
    {"slug", "status", "record"}. An alert about a difference ends when they are alike again, or when it is accepted."""

    domain = models.CharField(primary_key=True, max_length=253)
    server_host = models.CharField(max_length=253, blank=True)
    baseline = models.JSONField(default=dict)
    baseline_at = models.DateTimeField()
    seen = models.JSONField(default=dict)
    seen_at = models.DateTimeField()
