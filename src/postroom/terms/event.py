"""Events: what happened to messages, runs and alerts, by the names that others hear them under.

The names are part of the API: others script against them, and one that exists keeps its meaning.
"""

from enum import StrEnum


class EventKind(StrEnum):
    """What happened. *sent* says that the server took responsibility, no more."""

    QUEUED = "message.queued"
    SENT = "message.sent"
    DEFERRED = "message.deferred"
    FAILED = "message.failed"
    UNCERTAIN = "message.uncertain"
    HELD = "message.held"
    CANCELLED = "message.cancelled"
    BOUNCED = "message.bounced"
    COMPLAINED = "message.complained"
    UNSUBSCRIBED = "recipient.unsubscribed"
    RUN_STARTED = "run.started"
    RUN_SUCCEEDED = "run.succeeded"
    RUN_WARNING = "run.warning"
    RUN_FAILED = "run.failed"
    RUN_SKIPPED = "run.skipped"
    RUN_CANCELLED = "run.cancelled"
    ALERT_OPENED = "alert.opened"
    ALERT_CLOSED = "alert.closed"
    TEST = "webhook.test"


# What a webhook may ask for; a test is only sent where somebody asks for one.
SUBSCRIBABLE = tuple(kind for kind in EventKind if kind is not EventKind.TEST)
