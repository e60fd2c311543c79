"""Header fields of a message that came as octets (RFC 5322 section 2.2), kept as they came."""

import contextlib
import email.header
import re
from email.errors import MessageError
from typing import NamedTuple

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
# Encoded words hold what no line may: what is left of it would end a text, or steer a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Some character sets take time by the square of the length; no subject that is taken is that long.
_DECODED_BYTES = 12 * 1024
# What is read as a whole in front of an address: quoted strings, comments, encoded words. A mark without its end is
# text, so that `5" screen` may stand there, and an escaped one opens nothing: no text is read again and again.
_UNIT = r'"(?:[^"\\]|\\.)*+"|\((?:[^()\\]|\\.)*+\)|=\?[^?\s]*+\?[BbQq]\?[^?\s]*+\?=|\\["(]'
# `Name <address>`, `<address>` or `address`. Commas of names are no end of a mailbox, as many programs leave them bare;
# one behind an `@` is: what follows is another author.
_ONE_ADDRESS = re.compile(rf"(?:(?:{_UNIT}|[^<>@])*+(?:{_UNIT}|[^<>,;])*+<([^<>\s]+)>|([^<>\s,;]+))\s*")


class RawProblem(ValueError):
    """A message that can't be taken as it is. `field` is the header field at fault as it is written, "" for none.
    `text` says in English what to do: replies of SMTP know no other language."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}" if field else text)
        self.field, self.text = field, text


class RawField(NamedTuple):
    """A field: its name in lower case and all of its octets, the line end included."""

    name: bytes
    octets: bytes

    @property
    def label(self) -> str:
        """The name as it is written."""
        return self.octets.partition(b":")[0].rstrip(b" \t").decode("ascii", "replace")

    @property
    def value(self) -> bytes:
        """The body in one line, without the white space around it."""
        body = self.octets.partition(b":")[2]
        return (_FOLD.sub(b"", body) if b"\r\n " in body or b"\r\n\t" in body else body).strip(b" \t\r\n")

    @property
    def text(self) -> str:
        """The body as people read it, encoded words decoded; what is damaged is shown as it came."""
        value = self.value
        plain = value.decode("utf-8", "replace")
        if b"=?" not in value or len(value) > _DECODED_BYTES:
            return plain
        with contextlib.suppress(LookupError, ValueError, MessageError):
            plain = str(email.header.make_header(email.header.decode_header(plain)))
        return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", " ".join(plain.split())).encode("utf-8", "replace").decode()

    @property
    def address(self) -> str:
        """The one address that the body names, unchecked; "" where there are several or none."""
        match = _ONE_ADDRESS.fullmatch(self.value.decode("utf-8", "replace"))
        return (match[1] or match[2]) if match else ""


def fields_of(octets: bytes) -> tuple[list[RawField], int]:
    """The header's fields and where the body begins. Content without a header is all body. Raises RawProblem."""
    fields: list[RawField] = []
    position = 0
    while match := _FIELD.match(octets, position):
        fields.append(RawField(match[1].lower(), match[0]))
        position = match.end()
    if octets.startswith(b"\r\n", position):
        return fields, position + 2
    if position == len(octets) or not fields:
        return fields, position
    line = octets.count(b"\n", 0, position) + 1
    raise RawProblem("", f"Line {line} is no header field, and no empty line stands before it.")


def is_headless(octets: bytes) -> bool:
    """Whether content begins with something that is no header field: then all of it is body."""
    return _FIELD.match(octets) is None
