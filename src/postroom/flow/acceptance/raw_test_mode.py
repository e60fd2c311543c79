"""Test mode for a message that came as octets: its header made anew where it tells of recipients, its body left as it
is, as the second part of a message whose first part is the banner."""

from collections.abc import Sequence
from dataclasses import dataclass

from postroom.message import field as written
from postroom.message.part import text_part
from postroom.message.raw_field import RawField
from postroom.message.test_mode import TrueRecipients, banner_text, marked_subject, mode_fields
from postroom.terms.address import AddressProblem, canonical, parse_mailboxes
from postroom.terms.test_mode import TestMode

from .test_mode import voice_of

# What tells of recipients, or says how to read a body that is about to become a part.
_GONE = frozenset((b"to", b"cc", b"bcc", b"resent-to", b"resent-cc", b"resent-bcc", b"subject", b"mime-version"))


@dataclass(frozen=True, slots=True)
class RawTestMode:
    """The header's fields; `marks`, fields of Postroom's own that no client can bring; and what stands before and after
    the body as it came."""

    fields: list[RawField]
    marks: bytes
    before: bytes
    after: bytes


def raw_in_test_mode(
    fields: Sequence[RawField], recipients: Sequence[str], mode: TestMode, seed: str, *, is_8bit: bool
) -> RawTestMode:
    """The message as it leaves; `recipients` are the envelope's, `seed` makes the boundary; `is_8bit`: the body is."""
    true, say = _true_recipients(fields, recipients), voice_of(mode)
    subject = next((one.text for one in fields if one.name == b"subject"), "")
    kept = [one for one in fields if one.name not in _GONE and not one.name.startswith(b"content-")]
    inner = b"".join(one.octets for one in fields if one.name.startswith(b"content-"))
    banner, boundary = text_part("plain", banner_text(true, say)), f"=_test-{seed.lower()}"
    made = [
        ("To", f"To: {mode.address}\r\n"),
        ("Subject", written.unstructured("Subject", marked_subject(subject, true, say))),
        ("MIME-Version", "MIME-Version: 1.0\r\n"),
        ("Content-Type", f'Content-Type: multipart/mixed;\r\n boundary="{boundary}"\r\n'),
        ("Content-Transfer-Encoding", f"Content-Transfer-Encoding: {'8bit' if is_8bit else '7bit'}\r\n"),
    ]
    octets = b"".join(chunk for chunk in banner.body if isinstance(chunk, bytes))
    before = f"--{boundary}\r\n".encode() + banner.header + b"\r\n" + octets + f"--{boundary}\r\n".encode() + inner
    marks = "".join(written.unstructured(name, text) for name, text in mode_fields(mode, true))
    return RawTestMode(
        [*kept, *(RawField(name.lower().encode(), text.encode()) for name, text in made)],
        marks.encode(),
        before + b"\r\n",
        f"\r\n--{boundary}--\r\n".encode(),
    )


def _true_recipients(fields: Sequence[RawField], recipients: Sequence[str]) -> TrueRecipients:
    """Recipients of the envelope by where the header has them; whom it does not name was in Bcc."""
    to, cc = _named(fields, b"to"), _named(fields, b"cc")
    return TrueRecipients(
        tuple(path for path in recipients if canonical(path) in to),
        tuple(path for path in recipients if canonical(path) in cc - to),
        tuple(path for path in recipients if canonical(path) not in to | cc),
    )


def _named(fields: Sequence[RawField], name: bytes) -> set[str]:
    found: set[str] = set()
    for one in fields:
        if one.name == name:
            try:
                found |= {canonical(str(mailbox.address)) for mailbox in parse_mailboxes(one.text)}
            except AddressProblem:
                continue  # a group, or an address that nobody reads: its recipients are named as the envelope's
    return found
