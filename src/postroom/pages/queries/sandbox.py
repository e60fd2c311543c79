"""Caught messages, read for people. Their bytes are a stranger's: bounded, decoded with replacement, never trusted."""

import email.errors
import email.header
import email.message
import email.parser
import email.policy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from postroom.store.blobs import Blobs
from postroom.store.models import SandboxMessage

LONGEST_TEXT = 200_000
MOST_PARTS = 200
_READABLE = ("text/plain", "text/html")


@dataclass(frozen=True, slots=True)
class Attachment:
    """`name` is a label that the sender chose, never a path."""

    number: int
    name: str
    content_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Caught:
    headers: Sequence[tuple[str, str]]
    text: str
    html: str
    attachments: Sequence[Attachment]
    cut: bool


def content_of(message: SandboxMessage) -> bytes:
    """The whole message. Raises DamagedBlob."""
    blobs = Blobs(Path(settings.DATA_DIR) / "blobs")
    return b"".join(blobs.open(message.content_digest, message.content_size).chunks())


def read(content: bytes) -> Caught:
    parsed = _parsed(content)
    parts = _parts(parsed)
    bodies = {kind: _text(part) for kind in _READABLE for part in reversed(parts) if _is_body(part, kind)}
    attachments = [
        Attachment(number, _name(part, number), part.get_content_type(), len(_octets(part)))
        for number, part in enumerate(parts) if not any(_is_body(part, kind) for kind in _READABLE)
    ]
    text, html = bodies.get("text/plain", ""), bodies.get("text/html", "")
    headers = [(str(name), _header(value)) for name, value in parsed.raw_items()]
    cut = max(len(text), len(html)) > LONGEST_TEXT
    return Caught(headers, text[:LONGEST_TEXT], html[:LONGEST_TEXT], attachments, cut)


def attachment(content: bytes, number: int) -> tuple[str, bytes] | None:
    """Name and octets of one attachment."""
    parts = _parts(_parsed(content))
    return (_name(parts[number], number), _octets(parts[number])) if 0 <= number < len(parts) else None


def _parsed(content: bytes) -> email.message.Message:
    """The message in its parts; in one piece where they nest deeper than anybody reads."""
    try:
        parsed = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(content)
        _parts(parsed)
    except RecursionError:
        return email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(content)
    return parsed


def _parts(parsed: email.message.Message) -> list[email.message.Message]:
    return [part for part in parsed.walk() if not part.is_multipart()][:MOST_PARTS]


def _is_body(part: email.message.Message, kind: str) -> bool:
    return part.get_content_type() == kind and part.get_content_disposition() != "attachment"


def _octets(part: email.message.Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: email.message.Message) -> str:
    """Python has charsets that make anything of octets, or nothing: surrogates, errors, other octets."""
    charset = part.get_content_charset() or "utf-8"
    try:
        text = _octets(part).decode(charset, "replace")
    except (LookupError, ValueError):
        text = _octets(part).decode("utf-8", "replace")
    return text.encode("utf-8", "replace").decode()


def _name(part: email.message.Message, number: int) -> str:
    name = _header(part.get_filename() or "")
    shown = "".join(c for c in name.replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable())[:150]
    return shown or f"part-{number + 1}"


def _header(value: object) -> str:
    text = str(value)
    try:
        text = str(email.header.make_header(email.header.decode_header(text)))
    except (LookupError, ValueError, email.errors.HeaderParseError):
        text = str(value)
    return " ".join(text.encode("utf-8", "replace").decode().split())[:5_000]
