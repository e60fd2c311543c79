"""Reports that people get on a schedule: subscriptions, their runs, and who got what."""

from django.db import models

from postroom.store.ids import new_id

from .access import User
from .people import Recipient, RecipientGroup
from .server import SmtpServer
from .source import ReportSource, StoredReport
from .template import Template


class HolidayCalendar(models.Model):
    """Days on which nothing runs: public holidays of `countries` (ISO 3166, optionally with a subdivision: "DE-BY"),
    and own `days` (ISO dates)."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    countries = models.JSONField(default=list)
    days = models.JSONField(default=list)

    class Meta:
        ordering = ("name",)


class Subscription(models.Model):
    """A report, a schedule, and who gets it.

    `schedule` is {"words" or "cron", "time_zone"} as `policy.schedule` reads it, {} for one that only runs by hand or
    when its source is pushed to (`on_push`). `next_at` is the next nominal instant, null when there is none or it is
    paused. `catch_up` tells what becomes of instants missed while nothing ran: none, last, or all within
    `catch_up_within_s`. `form` is attach, embed, zip or link; what is too large becomes a link where
    `link_when_large`. `conditions` is {"least_rows", "only_if_changed", "column_value": see policy.column_value}.
    `iteration` is {} or {"column", "to": {value: [addresses]}} or {"column", "value": name of a recipient's value}.
    `retry` is {"times", "pause_s"}. `test_mode` is {} or {"address", "until", "by"}. `list_name` is the list that
    recipients can leave.
    """

    class CatchUp(models.TextChoices):
        NONE = "none"
        LAST = "last"
        ALL = "all"

    class Form(models.TextChoices):
        ATTACH = "attach"
        EMBED = "embed"
        ZIP = "zip"
        LINK = "link"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    description = models.CharField(max_length=300, blank=True, db_default="")
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="subscriptions")
    source = models.ForeignKey(ReportSource, on_delete=models.PROTECT, related_name="subscriptions")
    parameters = models.JSONField(default=dict)
    schedule = models.JSONField(default=dict)
    on_push = models.BooleanField(default=False)
    calendar = models.ForeignKey(
        HolidayCalendar, null=True, on_delete=models.PROTECT, related_name="subscriptions"
    )
    catch_up = models.CharField(max_length=4, choices=CatchUp.choices, default=CatchUp.LAST)
    catch_up_within_s = models.IntegerField(default=86_400)
    next_at = models.DateTimeField(null=True, db_index=True)
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=254, blank=True, db_default="")
    template = models.ForeignKey(Template, null=True, on_delete=models.SET_NULL, related_name="subscriptions")
    subject = models.CharField(max_length=998, blank=True, db_default="")
    text = models.TextField(blank=True, db_default="")
    language = models.CharField(max_length=8, blank=True, db_default="")
    form = models.CharField(max_length=6, choices=Form.choices, default=Form.ATTACH)
    link_when_large = models.BooleanField(default=True)
    link_days = models.IntegerField(default=14)
    conditions = models.JSONField(default=dict)
    iteration = models.JSONField(default=dict)
    retry = models.JSONField(default=dict)
    test_mode = models.JSONField(default=dict)
    server = models.ForeignKey(SmtpServer, null=True, on_delete=models.SET_NULL)
    priority = models.SmallIntegerField(default=0)
    list_name = models.CharField(max_length=100, unique=True)
    last_digest = models.CharField(max_length=64, blank=True, db_default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)


class Subscriber(models.Model):
    """Who gets a subscription: exactly one of a recipient, a group, or a plain address. `place` is to or bcc: each
    subscriber gets a message of their own, and one in bcc gets one copy for the archive of each run."""

    class Place(models.TextChoices):
        TO = "to"
        BCC = "bcc"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="subscribers")
    place = models.CharField(max_length=3, choices=Place.choices, default=Place.TO)
    recipient = models.ForeignKey(Recipient, null=True, on_delete=models.CASCADE, related_name="subscribed")
    group = models.ForeignKey(RecipientGroup, null=True, on_delete=models.CASCADE, related_name="subscribed")
    address = models.CharField(max_length=254, blank=True, db_default="")


class OutcomeNotice(models.Model):
    """Who is told when a run ends in that outcome, with or without the run's log."""

    class Outcome(models.TextChoices):
        SUCCESS = "success"
        WARNING = "warning"
        ERROR = "error"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="notices")
    outcome = models.CharField(max_length=7, choices=Outcome.choices)
    addresses = models.JSONField(default=list)
    with_log = models.BooleanField(default=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("subscription", "outcome"), name="notice_once"),)


class Run(models.Model):
    """One occurrence of a subscription, or one run by hand. `nominal_at` is the instant of the schedule, null for
    others; no instant has two runs (S3). `fence` grows with each claim, and a claim of `engine` ends with its lease.

    `state`: waiting, fetching (report and conditions), sending (messages are being queued), then success, warning,
    error, skipped (a condition was not met) or cancelled. `planned` recipients were fixed with the report in one
    commit; `queued` of them have their message. `reopened` counts how often somebody had it try again after its end.
    `log` is a list of {"at", "level", "text", "values"}."""

    class State(models.TextChoices):
        WAITING = "waiting"
        FETCHING = "fetching"
        SENDING = "sending"
        SUCCESS = "success"
        WARNING = "warning"
        ERROR = "error"
        SKIPPED = "skipped"
        CANCELLED = "cancelled"

    class Cause(models.TextChoices):
        SCHEDULE = "schedule"
        CATCH_UP = "catch-up"
        MANUAL = "manual"
        PUSH = "push"
        RETRY = "retry"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="runs")
    nominal_at = models.DateTimeField(null=True)
    cause = models.CharField(max_length=8, choices=Cause.choices)
    asked_by = models.CharField(max_length=254, blank=True, db_default="")
    only_to = models.CharField(max_length=254, blank=True, db_default="")
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING, db_index=True)
    try_number = models.IntegerField(default=0)
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)
    engine = models.CharField(max_length=64, blank=True, default="", db_default="")
    report = models.ForeignKey(StoredReport, null=True, on_delete=models.SET_NULL, related_name="runs")
    plan = models.JSONField(default=dict)
    planned = models.IntegerField(default=0)
    queued = models.IntegerField(default=0)
    left_out = models.IntegerField(default=0)
    log = models.JSONField(default=list)
    problem = models.JSONField(null=True)
    stop_requested = models.BooleanField(default=False)
    reopened = models.IntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("subscription", "nominal_at"), name="run_of_instant"),)
        indexes = (models.Index(fields=("subscription", "-id"), name="run_history"),)


class RunRecipient(models.Model):
    """One address of one run, fixed before the first message is queued. `report` is the file for this one where files
    differ, null for the run's. `left_out` tells why nobody writes to it; "" otherwise. `message_id` is the message's id
    here, "" until it is queued."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="recipients")
    position = models.IntegerField()
    address = models.CharField(max_length=254)
    address_key = models.CharField(max_length=254)
    name = models.CharField(max_length=150, blank=True, db_default="")
    language = models.CharField(max_length=8, blank=True, db_default="")
    place = models.CharField(max_length=3, db_default="to", default="to")
    report = models.ForeignKey(StoredReport, null=True, on_delete=models.SET_NULL, related_name="run_recipients")
    values = models.JSONField(default=dict)
    left_out = models.CharField(max_length=64, blank=True, db_default="")
    message_id = models.CharField(max_length=26, blank=True, db_default="", db_index=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("run", "position"), name="run_recipient_position"),
        )
