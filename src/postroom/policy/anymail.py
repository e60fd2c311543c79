"""Our events in the words of django-anymail, so that an application that follows a mail service's webhooks reads ours.

Its vocabulary: https://anymail.dev/en/stable/sending/tracking/ (EventType, RejectReason)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from postroom.terms.event import EventKind

TYPES: Mapping[EventKind, str] = MappingProxyType({
    EventKind.QUEUED: "queued",
    EventKind.SENT: "sent",
    EventKind.DEFERRED: "deferred",
    EventKind.FAILED: "failed",
    EventKind.UNCERTAIN: "unknown",
    EventKind.HELD: "unknown",
    EventKind.CANCELLED: "rejected",
    EventKind.BOUNCED: "bounced",
    EventKind.COMPLAINED: "complained",
    EventKind.UNSUBSCRIBED: "unsubscribed",
})
_REASONS: Mapping[str, str] = MappingProxyType({
    "recipient-unknown": "bounced", "recipient-disabled": "bounced", "recipient-mailbox-full": "bounced",
    "dns-recipient-domain-no-mx": "invalid", "recipient-address-malformed": "invalid",
    "queue-expired": "timed_out",
    "recipient-complained": "spam", "content-spam-rejected": "spam", "content-virus-rejected": "spam",
    "client-ip-on-blocklist": "blocked", "sender-refused-by-policy": "blocked", "message-refused-by-policy": "blocked",
    "spf-fail": "blocked", "dmarc-reject": "blocked", "recipient-restricted": "blocked",
    "recipient-suppressed": "blocked",
})
_WITHOUT_ATTEMPT = ("recipient-suppressed",)
_REFUSED_BY_SERVER = ("bounced", "invalid", "spam", "blocked")


@dataclass(frozen=True, slots=True)
class Anymail:
    """`event_type` and `reject_reason` as django-anymail has them; no reason where it knows none."""

    event_type: str
    reject_reason: str | None


def in_anymail_words(kind: EventKind, cause: str) -> Anymail | None:
    """An event of a message in these words; None for one of another kind, for which they have none."""
    if kind not in TYPES:
        return None
    if kind is EventKind.COMPLAINED:
        return Anymail("complained", "spam")
    if kind is EventKind.UNSUBSCRIBED:
        return Anymail("unsubscribed", "unsubscribed")
    if kind is EventKind.BOUNCED:
        return Anymail("bounced", _REASONS.get(cause, "bounced"))
    if kind is not EventKind.FAILED:
        return Anymail(TYPES[kind], None)
    reason = _REASONS.get(cause, "other")
    if cause in _WITHOUT_ATTEMPT:
        return Anymail("rejected", reason)
    return Anymail("bounced" if reason in _REFUSED_BY_SERVER else "failed", reason)
