"""What a report says about mail that was sent: bounces, delays, confirmations, complaints."""

from dataclasses import dataclass
from enum import StrEnum


class ReportKind(StrEnum):
    """What became of the message, as the report says: `Action` of RFC 3464 section 2.3.3, or a complaint (RFC 5965)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    COMPLAINT = "complaint"


class Unrelated(StrEnum):
    """A message that reports nothing."""

    AUTO_REPLY = "auto-reply"
    ORDINARY = "ordinary"


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What a report says of one recipient.

    `recipient` is the address that the message was sent to, as far as the report tells, else "". `status` is an
    enhanced status code (RFC 3463), "" where none is told. `diagnostic` is the remote server's own words, bounded,
    unescaped.
    """

    recipient: str
    kind: ReportKind
    status: str = ""
    diagnostic: str = ""
    is_permanent: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """A report. `message_id` is that of the message it is about ("" where it does not say), `addresses` are those the
    report itself and the returned message's reverse-path name, among which our signed one may be."""

    recipients: tuple[RecipientReport, ...]
    message_id: str = ""
    reporter: str = ""
    addresses: tuple[str, ...] = ()
