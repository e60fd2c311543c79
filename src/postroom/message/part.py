"""MIME parts as octets (RFC 2045, RFC 2046, RFC 2183): 7-bit lines of at most 998 octets, whatever goes in."""

import binascii
import hashlib
import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.terms.header import checked_media_type, file_label
from postroom.terms.limits import TEXT_LINE_BYTES

from .draft import Attachment, Segment
from .encoding import base64_lines
from .field import parameter

_LINE_END = re.compile(r"\r\n|\r|\n")
_SAFE_IN_7BIT = b"\t\r\n" + bytes(range(0x20, 0x7F))
_TYPES = mimetypes.MimeTypes(())

Octets = bytes | Segment


@dataclass(frozen=True, slots=True)
class Part:
    """Header lines and body of a part, both ended by CR LF (an empty body has none)."""

    header: bytes
    body: tuple[Octets, ...]


def canonical_text(text: str) -> str:
    """`text` with CR LF line ends and one at its end."""
    lines = _LINE_END.sub("\r\n", text) if "\r" in text else text.replace("\n", "\r\n")
    return lines if not lines or lines.endswith("\r\n") else lines + "\r\n"


def text_part(subtype: str, text: str) -> Part:
    """`text` as text/plain or text/html: as it is when US-ASCII in lines that fit, else encoded, the shorter way."""
    octets = canonical_text(text).encode()
    kind = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: "
    if not octets.translate(None, _SAFE_IN_7BIT) and _has_short_lines(octets):
        return Part(f"{kind}7bit\r\n".encode(), (octets,))
    quoted = binascii.b2a_qp(octets, quotetabs=False, istext=True)
    if len(quoted) <= len(octets) * 4 // 3:
        return Part(f"{kind}quoted-printable\r\n".encode(), (quoted,))
    return Part(f"{kind}base64\r\n".encode(), tuple(base64_lines(octets)))


def _has_short_lines(octets: bytes) -> bool:
    """Whether no line of canonical text is too long to be sent as it is: from one line end to the last one in reach."""
    start, reach = 0, TEXT_LINE_BYTES + 2
    while len(octets) - start > reach:
        start = octets.rfind(b"\n", start, start + reach) + 1
        if not start:
            return False
    return True


def attachment_part(attachment: Attachment) -> Part:
    """An attachment in base64 with its label. Raises HeaderProblem for a media type that can't be one."""
    label = file_label(attachment.file_name)
    kind = checked_media_type(attachment.media_type or _guessed_type(label))
    disposition = "inline" if attachment.inline else "attachment"
    lines = [
        f"Content-Type: {kind}\r\n",
        f"Content-Disposition: {disposition}{parameter('filename', label)}\r\n",
        f"Content-ID: <{attachment.content_id}>\r\n" if attachment.content_id else "",
        "Content-Transfer-Encoding: base64\r\n",
    ]
    content = attachment.content
    return Part("".join(lines).encode(), (content,) if isinstance(content, Segment) else tuple(base64_lines(content)))


def multipart(subtype: str, parts: Sequence[Part], seed: str) -> Part:
    """`parts` between boundaries; one part alone stays what it is."""
    if len(parts) == 1:
        return parts[0]
    boundary = _boundary(seed, parts)
    body: list[Octets] = []
    for part in parts:
        body += [f"--{boundary}\r\n".encode(), part.header, b"\r\n", *part.body, b"\r\n"]
    body.append(f"--{boundary}--\r\n".encode())
    root = ' type="text/html";' if subtype == "related" else ""
    kind = f'Content-Type: multipart/{subtype};{root}\r\n boundary="{boundary}"\r\n'
    return Part(kind.encode(), tuple(body))


def _boundary(seed: str, parts: Sequence[Part]) -> str:
    """A boundary made of `seed` that no line of the parts begins with; "=_" can't occur in encoded bodies."""
    number = 0
    while True:
        boundary = "=_" + hashlib.sha256(f"{seed}:{number}".encode()).hexdigest()[:32]
        octets = boundary.encode()
        if not any(isinstance(chunk, bytes) and octets in chunk for part in parts for chunk in part.body):
            return boundary
        number += 1


def _guessed_type(label: str) -> str:
    kind, encoding = _TYPES.guess_type(label)
    if kind is None or encoding is not None or kind.startswith("message/"):
        return "application/octet-stream"
    return kind
