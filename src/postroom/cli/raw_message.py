"""A message as sendmail reads it, taken apart into the fields of the API; Postroom composes it anew."""

import base64
import email
import email.errors
import email.policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import getaddresses
from typing import Any

from postroom.message.charset import text_in
from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.header import HeaderProblem, checked_field_name

_LISTS = {"to": "To", "cc": "Cc", "bcc": "Bcc", "reply_to": "Reply-To"}


class TooDeep(ValueError):
    """The parts of a message nest deeper than anybody's mail does."""


def fields_of(octets: bytes) -> dict[str, Any]:
    """The API's fields of a message with its header: addresses, subject, bodies, attachments, further fields.

    Raises TooDeep."""
    try:
        return _fields_of(octets)
    except RecursionError:
        raise TooDeep("The parts of the message nest too deep.") from None


def _fields_of(octets: bytes) -> dict[str, Any]:
    plain = email.message_from_bytes(octets, policy=email.policy.compat32)
    rich = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(rich, EmailMessage)
    found: dict[str, Any] = {key: _mailboxes(plain, name) for key, name in _LISTS.items()}
    found["subject"] = _decoded(plain.get("Subject", ""))
    senders = [text for text in _mailboxes(plain, "From") if _is_complete(text)]
    if senders:
        found["from"] = senders[0]
    found["headers"] = _further(plain)
    for key, subtype in (("text", "plain"), ("html", "html")):
        part = rich.get_body((subtype,))
        if part is not None:
            found[key] = _text(part)
    found["attachments"] = [_attachment(part) for part in rich.iter_attachments() if isinstance(part, EmailMessage)]
    if "text" not in found and "html" not in found:
        found["text"] = ""
    return {key: value for key, value in found.items() if value or key == "text"}


def with_envelope(fields: dict[str, Any], recipients: list[str]) -> dict[str, Any]:
    """Deliver to `recipients` only, as sendmail does without -t: header fields keep those of them that they name,
    the others receive it without being named."""
    wanted = {_bare(text) for text in recipients}
    kept = {key: [text for text in fields.get(key, []) if _bare(text) in wanted] for key in ("to", "cc")}
    named = {_bare(text) for texts in kept.values() for text in texts}
    others = [text for text in recipients if _bare(text) not in named]
    return {**fields, **kept, "bcc": others}


def _mailboxes(message: Message, name: str) -> list[str]:
    pairs = getaddresses([str(value) for value in message.get_all(name, [])])
    return [_mailbox(_decoded(shown), address) for shown, address in pairs if address]


def _mailbox(shown: str, address: str) -> str:
    if not shown:
        return address
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>'


def _bare(text: str) -> str:
    return getaddresses([text])[0][1].lower()


def _is_complete(text: str) -> bool:
    """cron and others write a From without a domain; then the server's own is used."""
    try:
        parse_address(_bare(text))
    except AddressProblem:
        return False
    return True


def _decoded(text: object) -> str:
    unfolded = " ".join(str(text).split())
    try:
        return str(make_header(decode_header(unfolded)))
    except (LookupError, UnicodeError, email.errors.HeaderParseError):
        return unfolded


def _further(message: Message) -> dict[str, str]:
    """Fields that a client may set; those that Postroom or transport agents write are left out."""
    found: dict[str, str] = {}
    for name, body in message.items():
        if name.lower() == "message-id":
            found["Message-ID"] = str(body).strip()
            continue
        try:
            found[checked_field_name(name)] = _decoded(body)
        except HeaderProblem:
            continue
    return found


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    octets = content if isinstance(content, bytes) else b""
    return text_in(part.get_content_charset() or "utf-8", octets)


def _attachment(part: EmailMessage) -> dict[str, Any]:
    content = part.get_payload(decode=True)
    octets = content if isinstance(content, bytes) else part.as_bytes()
    kind = part.get_content_type()
    return {
        "filename": part.get_filename() or "attachment",
        "content_type": kind if not kind.startswith(("message/", "multipart/")) else "application/octet-stream",
        "content_base64": base64.b64encode(octets).decode("ascii"),
    }
