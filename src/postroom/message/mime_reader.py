"""Reading a message that anybody may have sent: header fields, and the leaf parts of its body (RFC 5322, RFC 2045).

Everything is bounded: octets, fields, depth, parts. What lies beyond a bound is not read. Nothing raises: a message
without sense has no parts that make sense (B12, B13).
"""

import base64
import binascii
import quopri
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .charset import text_in

# No RFC figures. A report returns at most the message that it is about, of which the header says enough.
MESSAGE_BYTES = 1024 * 1024
HEADER_BYTES = 64 * 1024
FIELDS = 300
FIELD_CHARACTERS = 4_000
DEPTH = 8
PARTS = 64
# A boundary is looked for at the beginning of this many lines.
_LINES = 50_000
_FIELD = re.compile(r"([!-9;-~]{1,76})[ \t]*:(.*)", re.DOTALL)
_PARAMETER = re.compile(r";\s*([A-Za-z0-9*-]{1,40})\s*=\s*(?:\"((?:[^\"\\]|\\.){0,300})\"|([^\s;\"]{1,300}))")
_BLANK = re.compile(rb"\r?\n[ \t]*\r?\n")


@dataclass(frozen=True, slots=True)
class Header:
    """Fields in order: names in lower case, bodies unfolded."""

    fields: tuple[tuple[str, str], ...] = ()

    def first(self, name: str) -> str:
        """The body of the first field of that name, "" where there is none."""
        return next((body for key, body in self.fields if key == name), "")

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(body for key, body in self.fields if key == name)


@dataclass(frozen=True, slots=True)
class ReadPart:
    """A leaf part, or the message as a whole. `body` is decoded; `media_type` is lower case, such as "text/plain"."""

    header: Header
    media_type: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def text(self) -> str:
        """The body as text, whatever charset it declares."""
        return text_in(self.parameters.get("charset", "utf-8"), self.body).replace("\r\n", "\n")


def read_message(octets: bytes) -> ReadPart:
    """The whole: its header, and its body as it stands, cut after `MESSAGE_BYTES`."""
    return _part(octets[:MESSAGE_BYTES], "text/plain")


def leaves(whole: ReadPart) -> list[ReadPart]:
    """The leaf parts in order. A returned message is a leaf: its own parts are not looked into."""
    found: list[ReadPart] = []
    for leaf in _leaves(whole, DEPTH):
        found.append(leaf)
        if len(found) >= PARTS:
            break
    return found


def header_of(octets: bytes) -> Header:
    """The header that `octets` begin with; blank lines before it are skipped."""
    return read_header(_divided(octets.lstrip(b"\r\n"))[0])


def read_header(octets: bytes) -> Header:
    """Fields, one a line with its continuations; lines that are none are passed over."""
    fields: list[tuple[str, str]] = []
    text = octets[:HEADER_BYTES].decode("utf-8", "replace").replace("\r\n", "\n")
    for line in text.split("\n"):
        if line[:1] in (" ", "\t") and fields:
            name, body = fields[-1]
            if len(body) < FIELD_CHARACTERS:
                fields[-1] = (name, f"{body} {line.strip()}".strip()[:FIELD_CHARACTERS])
        elif (match := _FIELD.fullmatch(line)) is not None:
            if len(fields) >= FIELDS:
                break
            fields.append((match.group(1).lower(), match.group(2).strip()[:FIELD_CHARACTERS]))
    return Header(tuple(fields))


def _leaves(part: ReadPart, depth: int) -> Iterator[ReadPart]:
    boundary = part.parameters.get("boundary", "")
    if not part.media_type.startswith("multipart/") or not boundary:
        yield _decoded(part)
        return
    if depth == 0:
        return
    inner = "message/rfc822" if part.media_type == "multipart/digest" else "text/plain"
    for octets in _between(part.body, boundary.encode("utf-8", "replace")):
        yield from _leaves(_part(octets, inner), depth - 1)


def _between(body: bytes, boundary: bytes) -> list[bytes]:
    """The octets between lines of the boundary (RFC 2046 section 5.1.1), at most `PARTS` of them."""
    found: list[bytes] = []
    start, position, mark = -1, 0, b"--" + boundary
    for _ in range(_LINES):
        at = body.find(mark, position)
        if at < 0 or len(found) >= PARTS:
            break
        position = at + len(mark)
        if at > 0 and body[at - 1 : at] != b"\n":
            continue
        rest = body[position : position + 2]
        if rest[:1] not in (b"", b"\r", b"\n", b" ", b"\t", b"-"):
            continue
        if start >= 0:
            found.append(body[start:at])
        line_end = body.find(b"\n", position)
        start = -1 if rest == b"--" or line_end < 0 else line_end + 1
        if start < 0:
            return found
    if start >= 0 and len(found) < PARTS:
        found.append(body[start:])
    return found


def _part(octets: bytes, usual_type: str) -> ReadPart:
    head, body = _divided(octets)
    header = read_header(head)
    kind, parameters = _content_type(header.first("content-type"), usual_type)
    return ReadPart(header, kind, parameters, body)


def _divided(octets: bytes) -> tuple[bytes, bytes]:
    """Header and body; a part may begin with its body at once, behind an empty line."""
    if octets.startswith((b"\r\n", b"\n")):
        return b"", octets.lstrip(b"\r\n")
    match = _BLANK.search(octets)
    return (octets, b"") if match is None else (octets[: match.start()], octets[match.end():])


def _decoded(part: ReadPart) -> ReadPart:
    encoding = part.header.first("content-transfer-encoding").lower().strip()
    if encoding == "base64":
        return ReadPart(part.header, part.media_type, part.parameters, _from_base64(part.body))
    if encoding == "quoted-printable":
        return ReadPart(part.header, part.media_type, part.parameters, quopri.decodestring(part.body))
    return part


def _from_base64(octets: bytes) -> bytes:
    packed = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
    try:
        return base64.b64decode(packed[: len(packed) // 4 * 4] + _padded(packed[len(packed) // 4 * 4 :]))
    except binascii.Error:
        return b""


def _padded(rest: bytes) -> bytes:
    """Two or three signs are one or two octets; one alone is none."""
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""


def _content_type(text: str, usual_type: str) -> tuple[str, dict[str, str]]:
    kind = text.partition(";")[0].strip().lower()
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(text[:FIELD_CHARACTERS]):
        quoted = match.group(2)
        value = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted is not None else match.group(3)
        found.setdefault(match.group(1).lower().removesuffix("*0").removesuffix("*"), value)
    return (kind if re.fullmatch(r"[!-~]{1,100}/[!-~]{1,100}", kind) else usual_type), found
