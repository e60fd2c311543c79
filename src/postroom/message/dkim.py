"""DKIM signatures (RFC 6376), header and body in relaxed form, with RSA (RFC 8301) or Ed25519 (RFC 8463).

Pure: the time and the keys are arguments; the body is hashed as it comes. `l=` is never used: a signature covers the
whole body. Fields of which a second one would change what a reader sees are signed once more often than they are there
(RFC 6376 section 8.15), so that none can be added.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

# Signed once more than they are there.
_SEALED = ("from", "to", "cc", "reply-to", "subject", "date", "message-id", "mime-version", "content-type")
# Signed as often as they are there (RFC 6376 section 5.4.1; List-Unsubscribe-Post by RFC 8058 section 4).
_SIGNED = (
    "sender", "in-reply-to", "references", "content-transfer-encoding", "content-id", "auto-submitted",
    "list-id", "list-unsubscribe", "list-unsubscribe-post", "list-subscribe", "list-help", "list-owner", "list-archive",
    "list-post",
)
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n")
_FOLDS = re.compile(rb"\r\n")
# A single blank stays what it is.
_BLANKS = re.compile(rb"[ \t]{2,}|\t")
_LINE_CHARACTERS = 72
_NEXT_LINE = "\r\n "


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key with the name under which receivers find it."""

    domain: str
    selector: str
    private_key: PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.private_key, RSAPrivateKey) else "ed25519-sha256"


class BodyHash:
    """SHA-256 of a body in relaxed form (RFC 6376 section 3.4.4), which comes in pieces cut anywhere.

    The body has CR LF line ends. Blanks at the ends of lines and empty lines at its end do not count."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._rest = b""
        self._empty_lines = 0

    def feed(self, octets: bytes) -> None:
        """Add octets."""
        octets = self._rest + octets if self._rest else octets
        end = octets.rfind(b"\r\n") + 2
        if end < 2:
            self._rest = octets
            return
        self._rest = octets[end:]
        self._add(octets[:end])

    def digest(self) -> bytes:
        """Of all that was fed. A last line without its end counts as if it had one."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._add(rest + b"\r\n")
        return self._digest.digest()

    def _add(self, lines: bytes) -> None:
        """Whole lines; those that are empty are kept back until it is known that another follows."""
        if b" " in lines or b"\t" in lines:
            lines = _BLANKS.sub(b" ", lines).replace(b" \r\n", b"\r\n")
        text_end = _end_of_text(lines)
        empty_lines = (len(lines) - text_end) // 2
        if text_end:
            self._digest.update(b"\r\n" * self._empty_lines + lines[: text_end + 2])
            self._empty_lines = empty_lines - 1
        else:
            self._empty_lines += empty_lines


def signature_fields(
    header: bytes, body_digest: bytes, keys: Sequence[SigningKey], signed_at: datetime
) -> bytes:
    """A DKIM-Signature field for each key, to stand before `header`, which is whole lines up to the empty one."""
    fields = _fields(header)
    return b"".join(_signature(fields, body_digest, key, signed_at) for key in keys)


def _end_of_text(lines: bytes) -> int:
    """Where the line ends at the end of whole lines begin; the first of them ends the text, the others empty lines."""
    end = len(lines)
    while lines.endswith(b"\r\n", 0, end):
        end -= 2
    return end


def _fields(header: bytes) -> list[tuple[bytes, bytes]]:
    """Name in lower case and canonical line of each field, from top to bottom."""
    return [
        (name.lower(), name.lower() + b":" + _BLANKS.sub(b" ", _FOLDS.sub(b"", body)).strip(b" "))
        for name, body in _FIELD.findall(header)
    ]


def _signature(
    fields: Sequence[tuple[bytes, bytes]], body_digest: bytes, key: SigningKey, signed_at: datetime
) -> bytes:
    names = [name.decode("ascii") for name, _ in fields]
    signed = [name for name in (*_SEALED, *_SIGNED) for _ in range(names.count(name) + (name in _SEALED))]
    words = [
        "v=1;", f"a={key.algorithm};", "c=relaxed/relaxed;", f"d={key.domain};", f"s={key.selector};",
        f"t={int(signed_at.timestamp())};", f"bh={base64.b64encode(body_digest).decode('ascii')};",
        *_cut(f"h={':'.join(signed)};", ":"), "b=",
    ]
    unsigned = _folded("DKIM-Signature:", words)
    octets = _signed_octets(fields, signed) + f"dkim-signature:{' '.join(words)}".encode("ascii")
    value = base64.b64encode(_signed(key.private_key, octets)).decode("ascii")
    lines = [value[at : at + _LINE_CHARACTERS] for at in range(0, len(value), _LINE_CHARACTERS)]
    return f"{unsigned}{_NEXT_LINE.join(['', *lines])}\r\n".encode("ascii")


def _signed(key: PrivateKey, octets: bytes) -> bytes:
    """RFC 8463 section 3: Ed25519 signs the SHA-256 of what is signed."""
    if isinstance(key, RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(hashlib.sha256(octets).digest())


def _folded(line: str, words: Iterable[str]) -> str:
    lines = []
    for word in words:
        if len(line) + 1 + len(word) > _LINE_CHARACTERS:
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line])


def _cut(text: str, separator: str) -> list[str]:
    """`text` in pieces that fit into a line, cut behind separators; blanks may stand there (RFC 6376 section 3.5)."""
    pieces = [""]
    for part in text.split(separator):
        if pieces[-1] and len(pieces[-1]) + len(part) >= _LINE_CHARACTERS - 8:
            pieces.append("")
        pieces[-1] += part + separator
    pieces[-1] = pieces[-1].removesuffix(separator)
    return pieces


def _signed_octets(fields: Sequence[tuple[bytes, bytes]], signed: Iterable[str]) -> bytes:
    """The fields that `h=` names, each from the bottom up (RFC 6376 section 5.4.2); a missing one adds nothing."""
    left: dict[bytes, list[bytes]] = {}
    for name, line in fields:
        left.setdefault(name, []).append(line)
    lines = (left[name].pop() for name in (n.encode() for n in signed) if left.get(name))
    return b"".join(line + b"\r\n" for line in lines)
