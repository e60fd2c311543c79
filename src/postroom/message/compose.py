"""A draft becomes the bytes that are sent: composed once, at acceptance, and never changed afterwards (M7).

Pure: the time, the Message-ID and the seed of boundaries are arguments. Bcc is never written (M4). The bytes have CR LF
line ends, no line over 998 octets, and are 7-bit unless an address itself needs SMTPUTF8.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from postroom.terms.address import Mailbox, checked_name
from postroom.terms.header import (
    HeaderProblem,
    checked_field_name,
    checked_field_text,
    checked_structured_text,
    is_message_id,
    is_structured,
)
from postroom.terms.wording import worded

from . import field as fields
from .draft import Attachment, Draft, DraftProblem, Segment
from .part import Octets, Part, attachment_part, multipart, text_part
from .text_of_html import text_of_html

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Composed:
    """A message as it will be sent: `parts` in order, the first of them begins with the header. `recipients` are the
    bare addresses of To, Cc and Bcc, each once."""

    parts: tuple[Octets, ...] = field(repr=False)
    from_address: str
    recipients: tuple[str, ...]
    needs_8bit: bool
    needs_smtputf8: bool

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes if isinstance(part, Segment) else len(part) for part in self.parts)

    @property
    def content(self) -> bytes:
        """All octets, for a message without segments. Raises TypeError otherwise."""
        return b"".join(part for part in self.parts)  # type: ignore[misc]


def compose(draft: Draft, *, message_id: str, date: datetime, boundary_seed: str) -> Composed:
    """The message of `draft`. Raises DraftProblem naming the field at fault."""
    if not is_message_id(message_id):
        raise DraftProblem("message_id", worded("A Message-ID looks like <unique.text@example.com>."))
    mailboxes = (*draft.to, *draft.cc, *draft.bcc)
    if not mailboxes:
        raise DraftProblem("to", worded("The message has no recipient. Enter at least one in to, cc or bcc."))
    body = _body(draft, boundary_seed)
    header = "".join(_header(draft, message_id, date)).encode()
    parts = _joined((header, b"MIME-Version: 1.0\r\n", body.header, b"\r\n", *body.body))
    needs_smtputf8 = any(mailbox.address.needs_smtputf8 for mailbox in (draft.from_header, *mailboxes, *draft.reply_to))
    return Composed(
        parts=parts,
        from_address=str(draft.from_header.address),
        recipients=tuple(dict.fromkeys(str(mailbox.address) for mailbox in mailboxes)),
        needs_8bit=not all(isinstance(part, Segment) or part.isascii() for part in parts),
        needs_smtputf8=needs_smtputf8,
    )


def prefixed_subject(prefix: str, subject: str) -> str:
    """`subject` after a server's Subject Prefix and a space, unless it already starts with it."""
    prefix = prefix.strip()
    if not prefix or subject.startswith(prefix):
        return subject
    return f"{prefix} {subject}".rstrip(" ")


def _joined(chunks: Iterable[Octets]) -> tuple[Octets, ...]:
    """What lies between segments in one piece each."""
    parts: list[Octets] = []
    between: list[bytes] = []
    for chunk in chunks:
        if isinstance(chunk, Segment):
            parts += [b"".join(between), chunk]
            between = []
        else:
            between.append(chunk)
    return (*parts, b"".join(between))


def _header(draft: Draft, message_id: str, date: datetime) -> Iterable[str]:
    yield f"Date: {_date_text(date.replace(microsecond=0))}\r\n"
    yield fields.addresses("From", [_checked("from", draft.from_header)])
    lists = (("To", "to", draft.to), ("Cc", "cc", draft.cc), ("Reply-To", "reply_to", draft.reply_to))
    for name, key, mailboxes in lists:
        if mailboxes:
            yield fields.addresses(name, [_checked(key, mailbox) for mailbox in mailboxes])
    if not draft.to and not draft.cc:
        yield "To: undisclosed-recipients:;\r\n"
    subject = _accepted("subject", checked_field_text, draft.subject)
    yield fields.unstructured("Subject", subject)
    yield f"Message-ID: {message_id}\r\n" if len(message_id) < 66 else f"Message-ID:\r\n {message_id}\r\n"
    for name, text in draft.headers:
        key = f"headers.{name}"
        _accepted(key, checked_field_name, name)
        if is_structured(name):
            yield fields.structured(name, _accepted(key, checked_structured_text, text))
        else:
            yield fields.unstructured(name, _accepted(key, checked_field_text, text))
    for name, text in draft.marks:
        yield fields.unstructured(name, _accepted(f"headers.{name}", checked_field_text, text))


@lru_cache(maxsize=8)
def _date_text(date: datetime) -> str:
    return format_datetime(date)


def _checked(key: str, mailbox: Mailbox) -> Mailbox:
    if not mailbox.name:
        return mailbox
    try:
        checked_name(mailbox.name)
    except ValueError as problem:
        raise DraftProblem(key, str(problem)) from None
    return mailbox


def _accepted(key: str, check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except HeaderProblem as problem:
        raise DraftProblem(key, str(problem)) from None


def _body(draft: Draft, seed: str) -> Part:
    if draft.text is None and draft.html is None:
        raise DraftProblem("text", worded("The message has no body. Enter text, html or both."))
    related: list[Part] = []
    attached: list[Part] = []
    for number, attachment in enumerate(draft.attachments):
        in_page = attachment.inline and bool(attachment.content_id) and draft.html is not None
        (related if in_page else attached).append(_attachment(number, attachment))
    parts = [text_part("plain", _text(draft))]
    if draft.html is not None:
        page = text_part("html", _encodable("html", draft.html))
        parts.append(multipart("related", [page, *related], f"{seed}:related"))
    alternative = multipart("alternative", parts, f"{seed}:alternative")
    return multipart("mixed", [alternative, *attached], f"{seed}:mixed")


def _text(draft: Draft) -> str:
    if draft.text is not None:
        return _encodable("text", draft.text)
    try:
        return text_of_html(_encodable("html", draft.html or ""))
    except ValueError as problem:
        raise DraftProblem("text", str(problem)) from None


def _attachment(number: int, attachment: Attachment) -> Part:
    key = f"attachments.{number}"
    forms = (f"<{attachment.content_id}>", f"<{attachment.content_id}@inline>")
    if attachment.content_id and not any(is_message_id(form) for form in forms):
        raise DraftProblem(f"{key}.content_id", worded("A content id is a word such as logo, or logo@report.example."))
    try:
        return attachment_part(attachment)
    except HeaderProblem as problem:
        raise DraftProblem(f"{key}.content_type", str(problem)) from None


def _encodable(key: str, text: str) -> str:
    if not text.isascii() and _HALF_CHARACTER.search(text):
        raise DraftProblem(key, worded("The text contains half of a character (a lone surrogate). Send it as UTF-8."))
    return text
