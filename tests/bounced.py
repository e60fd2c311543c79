"""A delivery that was sent, and reports about it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from postroom.store.models import Delivery, Message, SmtpServer
from postroom.terms.server import ServerSettings

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SETTINGS = ServerSettings(
    name="Relay", host="relay.example", from_address="reports@reports.example",
    bounce_address="bounces@reports.example",
)


def sent(recipient: str = "anna@customer.example", **values: Any) -> Delivery:
    """A delivery that a server took, in a message of its own unless `message` is given."""
    server, _ = SmtpServer.objects.get_or_create(
        name="Relay", defaults={"settings": SETTINGS.as_json(), "use_unverified": True}
    )
    message = values.pop("message", None) or Message.objects.create(
        message_id=values.pop("message_id", "<01kabc@reports.example>"), reverse_path="reports@reports.example",
        from_header="Reports <reports@reports.example>", subject="Sales of the week", server=server,
        content_digest="0" * 64, content_size=5, created_at=NOW, expires_at=NOW + timedelta(days=2),
        list_name=values.pop("list_name", ""),
    )
    return Delivery.objects.create(**{
        "message": message, "recipient": recipient, "state": "sent", "due_at": NOW, "updated_at": NOW,
        "attempt_count": 1, "server": server, **values,
    })


def dsn(
    recipient: str = "anna@customer.example", *, action: str = "failed", status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 User unknown", message_id: str = "<01kabc@reports.example>",
    to: str = "reports@reports.example",
) -> bytes:
    """A delivery status notification."""
    return (
        f"From: MAILER-DAEMON@relay.example\r\nTo: {to}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.example\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: {diagnostic}\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n\r\n--b--\r\n"
    ).encode()


def complaint(recipient: str = "anna@customer.example", message_id: str = "<01kabc@reports.example>") -> bytes:
    """A complaint in the Abuse Reporting Format."""
    return (
        "From: feedback@provider.example\r\nTo: abuse@reports.example\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n"
        f"Original-Rcpt-To: {recipient}\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n\r\n--b--\r\n"
    ).encode()
