"""Stages of an SMTP session and what becomes of a recipient."""

from enum import StrEnum


class Stage(StrEnum):
    """Where in a session something happened, in the order of a STARTTLS session; values are the API's names."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    CERTIFICATE = "certificate"
    AUTHENTICATE = "authenticate"
    SENDER = "sender"
    RECIPIENT = "recipient"
    MESSAGE = "message"


class StageStatus(StrEnum):
    """What is known of a stage of a test."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not-reached"
    NOT_NEEDED = "not-needed"


class DeliveryState(StrEnum):
    """State of one recipient's delivery; *sent* means that the server took responsibility, never "delivered"."""

    QUEUED = "queued"
    SENDING = "sending"
    DEFERRED = "deferred"
    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    HELD = "held"
    CANCELLED = "cancelled"


# States in which a delivery waits for its next attempt.
WAITING_STATES = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN)


class Outcome(StrEnum):
    """What one attempt came to for one recipient."""

    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


class TestStatus(StrEnum):
    """Status of a test of a server."""

    __test__ = False

    QUEUED = "queued"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    STOPPED = "stopped"


class Retry(StrEnum):
    """Whether trying again helps."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    AFTER_CONFIG_CHANGE = "after-config-change"
