"""The header of a message that came as octets, made to be sent: what Postroom decides is put in, the rest stays.

Pure: time, trace field and Message-ID are arguments. Bcc never leaves (M4), a valid Message-ID and the Date stay (M7).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from postroom.terms.address import AddressProblem, parse_address, parse_mailboxes
from postroom.terms.header import is_message_id
from postroom.terms.limits import SUBMISSION_TRACE_FIELDS

from . import field as written
from .compose import prefixed_subject
from .raw_field import RawField, RawProblem

_CONTROL_PREFIX, _KEY = b"x-postroom-", b"idempotency-key"
_REMOVED = frozenset((b"return-path", b"bcc", b"resent-bcc", _KEY))
# What RFC 5322 section 3.6 and RFC 2045 allow once: two of them would be read differently by different readers.
_ONCE = frozenset((
    b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"references",
    b"mime-version", b"content-type", b"content-transfer-encoding",
))
_OF_ADDRESSES = frozenset((b"from", b"sender", b"reply-to", b"to", b"cc"))
_OF_GRAMMAR = re.compile(
    rb"content-.*|date|message-id|in-reply-to|references|received|mime-version|dkim-signature|list-.*"
)
_SUBJECT_CHARACTERS = 998


@dataclass(frozen=True, slots=True)
class OwnFrom:
    """A server's From: the field, and what it says as text and as an address."""

    octets: bytes
    text: str
    address: str


@dataclass(slots=True)
class Marks:
    """What is put into a header. With `replaces_from`, `own_from` takes the place of the client's From, which then
    becomes Reply-To unless there is one."""

    received: bytes
    date: str
    message_id: str
    own_from: OwnFrom
    replaces_from: bool = True
    subject_prefix: str = ""


@dataclass(slots=True)
class RawHeader:
    """A header ready to be sent, without the empty line."""

    octets: bytes = field(repr=False)
    message_id: str
    subject: str
    from_text: str
    from_address: str
    needs_smtputf8: bool


def controls_of(fields: Sequence[RawField]) -> dict[str, RawField]:
    """The fields that are meant for Postroom, by lower-case name; they never leave. Raises RawProblem."""
    controls: dict[str, RawField] = {}
    for one in fields:
        octets = one.name
        if octets == _KEY or octets.startswith(_CONTROL_PREFIX):
            name = octets.decode("ascii")
            if name in controls:
                raise RawProblem(one.label, "This field is there twice. Keep one.")
            controls[name] = one
    return controls


def rewritten(fields: Sequence[RawField], marks: Marks, is_smtputf8: bool) -> RawHeader:
    """The header to send. Raises RawProblem naming the field at fault."""
    rewriting = _Rewriting(marks, is_smtputf8)
    for one in fields:
        rewriting.take(one)
    return rewriting.header()


class _Rewriting:
    __slots__ = ("_from", "_is_smtputf8", "_kept", "_marks", "_message_id", "_seen", "_subject", "_traces")

    def __init__(self, marks: Marks, is_smtputf8: bool) -> None:
        self._marks, self._is_smtputf8 = marks, is_smtputf8
        self._kept: list[bytes] = [marks.received]
        self._seen: set[bytes] = set()
        self._from: RawField | None = None
        self._message_id = self._subject = ""
        self._traces = 0

    def take(self, one: RawField) -> None:
        name, octets = one
        if name in _ONCE:
            if name in self._seen:
                raise RawProblem(one.label, "This field is there twice. Keep one.")
            self._seen.add(name)
        elif name in _REMOVED or name.startswith(_CONTROL_PREFIX):
            return
        if not (octets.isascii() or self._is_smtputf8):
            one = _in_ascii(one)
        rule = _RULES.get(name)
        if rule is not None:
            rule(self, one)
        else:
            self._kept.append(one.octets)

    def _received(self, one: RawField) -> None:
        self._traces += 1
        if self._traces >= SUBMISSION_TRACE_FIELDS:
            raise RawProblem(one.label, "The message has travelled too often: it seems to go in a circle.")
        self._kept.append(one.octets)

    def _take_from(self, one: RawField) -> None:
        self._from = one
        self._kept.append(self._marks.own_from.octets if self._marks.replaces_from else one.octets)

    def _sender(self, one: RawField) -> None:
        if not self._marks.replaces_from:
            self._kept.append(one.octets)

    def _take_subject(self, one: RawField) -> None:
        text = one.text
        subject = prefixed_subject(self._marks.subject_prefix, text)
        if len(subject) > _SUBJECT_CHARACTERS:
            raise RawProblem(one.label, f"Shorten it to {_SUBJECT_CHARACTERS} characters.")
        self._kept.append(one.octets if subject == text else written.unstructured("Subject", subject).encode())
        self._subject = subject

    def _take_message_id(self, one: RawField) -> None:
        given = one.value.decode("ascii", "replace")
        if is_message_id(given):
            self._message_id = given
            self._kept.append(one.octets)

    def header(self) -> RawHeader:
        marks, kept, seen = self._marks, self._kept, self._seen
        if b"date" not in seen:
            kept.append(f"Date: {marks.date}\r\n".encode())
        if not self._message_id:
            self._message_id = marks.message_id
            kept.append(f"Message-ID: {marks.message_id}\r\n".encode())
        if not self._subject and marks.subject_prefix and b"subject" not in seen:
            self._subject = marks.subject_prefix
            kept.append(written.unstructured("Subject", self._subject).encode())
        if b"to" not in seen and b"cc" not in seen:
            kept.append(b"To: undisclosed-recipients:;\r\n")
        from_text, from_address = self._sender_fields()
        octets = b"".join(kept)
        return RawHeader(octets, self._message_id, self._subject, from_text, from_address, not octets.isascii())

    def _sender_fields(self) -> tuple[str, str]:
        """From as text and as an address; its field and Reply-To are put in where they are missing."""
        marks, given = self._marks, self._from
        own = marks.own_from
        if given is None:
            self._kept.append(own.octets)
        address = _checked(given.address) if given is not None else ""
        if given is None or marks.replaces_from:
            if given is not None and address and address != own.address and b"reply-to" not in self._seen:
                self._kept.append(b"Reply-To:" + given.octets.partition(b":")[2])
            return own.text, own.address
        if not address:
            raise RawProblem(given.label, "Enter one address, such as Name <name@example.com>.")
        return given.text, address


def _checked(address: str) -> str:
    """The address as it is written everywhere; "" where it is none."""
    try:
        return str(parse_address(address))
    except AddressProblem:
        return ""


def _in_ascii(one: RawField) -> RawField:
    """A field that holds UTF-8 although the client did not ask for SMTPUTF8, as many programs do, encoded as it should
    have been (RFC 2047). Raises RawProblem."""
    try:
        text = one.value.decode("utf-8")
        if one.name in _OF_ADDRESSES:
            octets = written.addresses(one.label, parse_mailboxes(text)).encode()
        elif _OF_GRAMMAR.fullmatch(one.name):
            raise RawProblem(one.label, "This field takes US-ASCII only.")
        else:
            octets = written.unstructured(one.label, text).encode()
    except UnicodeDecodeError:
        raise RawProblem(one.label, "This is neither US-ASCII nor UTF-8.") from None
    except AddressProblem as problem:
        raise RawProblem(one.label, str(problem)) from None
    if not octets.isascii():
        raise RawProblem(one.label, "An address beyond US-ASCII needs the parameter SMTPUTF8.")
    return RawField(one.name, octets)


_RULES: Mapping[bytes, Callable[[_Rewriting, RawField], None]] = {
    b"from": _Rewriting._take_from, b"sender": _Rewriting._sender, b"subject": _Rewriting._take_subject,
    b"message-id": _Rewriting._take_message_id, b"received": _Rewriting._received,
}
