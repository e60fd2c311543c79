"""Caught messages, read for people. Their bytes are a stranger's: bounded, decoded with replacement, never trusted."""

import email.errors
import email.header
import email.message
import email.parser
import email.policy
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from django.conf import settings

from postroom.message.charset import text_in
from postroom.store.blobs import Blobs
from postroom.store.models import SandboxMessage

_LEAVING = re.compile(r"<https?://[^/<>\s]+/unsubscribe/(?P<token>[0-9a-z]{1,100})>")
LONGEST_TEXT = 200_000
# A charset that takes more for each is none that anybody writes in.
_OCTETS_A_CHARACTER = 10
# Parameters and subjects may be in charsets that take time by the square of the length.
_FIELD_CHARACTERS = 12_000
MOST_PARTS = 200
_READABLE = ("text/plain", "text/html")
# Pictures that are shown within a message; no SVG, which is a document of its own.
_PICTURES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
MOST_PICTURE_BYTES = 10 * 1024 * 1024
# An attribute or a style that refers to a part of the same message (RFC 2392).
_REFERENCE = re.compile(
    r"""(?P<before>\b(?:src|background)\s*=\s*["']|url\(\s*["']?)cid:(?P<id>[^"'\s)>]{1,300})""", re.IGNORECASE
)


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


def page_of(content: bytes) -> str:
    """The message's HTML with the pictures of its own parts in place of the references to them; "" for none."""
    pictures = _pictures(_parts(_parsed(content)))

    def shown(reference: re.Match[str]) -> str:
        return reference["before"] + (pictures.get(unquote(reference["id"])) or f"cid:{reference['id']}")

    return _REFERENCE.sub(shown, read(content).html)


def _pictures(parts: Sequence[email.message.Message]) -> Mapping[str, str]:
    """Content id to data address, for pictures up to a total of MOST_PICTURE_BYTES."""
    found: dict[str, str] = {}
    left = MOST_PICTURE_BYTES
    for part in parts:
        content_id = str(part.get("Content-ID", "")).strip().strip("<>")
        if not content_id or part.get_content_type() not in _PICTURES:
            continue
        octets = _octets(part)
        left -= len(octets)
        if left < 0:
            break
        found[content_id] = f"data:{part.get_content_type()};base64,{b64encode(octets).decode()}"
    return found


def leaving_token(caught: Caught) -> str:
    """The token of our own link to leave the list that the message belongs to; "" for none."""
    listed = "".join(value for name, value in caught.headers if name.lower() == "list-unsubscribe")
    found = _LEAVING.fullmatch(listed)
    return found["token"] if found else ""


def attachment(content: bytes, number: int) -> tuple[str, bytes] | None:
    """Name and octets of one attachment."""
    parts = _parts(_parsed(content))
    return (_name(parts[number], number), _octets(parts[number])) if 0 <= number < len(parts) else None


class _Bounded(email.policy.Compat32):
    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_FIELD_CHARACTERS]


_BOUNDED = _Bounded()


def _parsed(content: bytes) -> email.message.Message:
    """The message in its parts; in one piece where they nest deeper than anybody reads."""
    try:
        parsed = email.parser.BytesParser(policy=_BOUNDED).parsebytes(content)
        _parts(parsed)
    except RecursionError:
        return email.parser.BytesHeaderParser(policy=_BOUNDED).parsebytes(content)
    return parsed


def _parts(parsed: email.message.Message) -> list[email.message.Message]:
    return [part for part in parsed.walk() if not part.is_multipart()][:MOST_PARTS]


def _is_body(part: email.message.Message, kind: str) -> bool:
    return part.get_content_type() == kind and part.get_content_disposition() != "attachment"


def _octets(part: email.message.Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: email.message.Message) -> str:
    return text_in(part.get_content_charset() or "utf-8", _octets(part)[:_OCTETS_A_CHARACTER * LONGEST_TEXT])


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
