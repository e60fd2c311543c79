"""Content as it crosses the wire after DATA (RFC 5321 sections 2.3.8 and 4.5.2)."""

import re
from collections.abc import Iterator
from typing import Protocol

FINAL_DOT = b".\r\n"
_LINE_END = re.compile(rb"\r\n|\r|\n")


class Content(Protocol):
    """A message's octets with CR LF line ends, not dot-stuffed; `chunks` may be asked again and gives the same."""

    @property
    def size_bytes(self) -> int: ...

    def chunks(self) -> Iterator[bytes]: ...


def is_canonical(octets: bytes) -> bool:
    """Whether CR and LF stand there only as CR LF."""
    ends = octets.count(b"\r\n")
    return ends == octets.count(b"\n") == octets.count(b"\r")


class Canonical:
    """Content whose maker vouches that CR and LF stand in it only as CR LF: what acceptance froze. Nobody needs to look
    for them again, which is most of the work with large content."""

    __slots__ = ("_content",)

    def __init__(self, content: Content) -> None:
        self._content = content

    @property
    def size_bytes(self) -> int:
        return self._content.size_bytes

    def chunks(self) -> Iterator[bytes]:
        return self._content.chunks()


def whole_content(content: Content) -> bytes:
    """All of a small content as it leaves, with its final dot."""
    framing = ContentFraming(vouched=isinstance(content, Canonical))
    return b"".join([*map(framing.framed, content.chunks())]) + framing.ending()


class ContentFraming:
    """Dot-stuffing that does not depend on where the chunks were cut.

    What leaves is canonical whatever comes in: a bare CR or LF becomes CR LF, a line that begins with a dot gets one
    more, and the last line is ended. `framed` never ends inside what could become CR LF. With `vouched` the chunks are
    those of `Canonical`, and only dots are looked for.
    """

    def __init__(self, *, vouched: bool = False) -> None:
        self._vouched = vouched
        self._at_line_start = True
        self._held_cr = False

    def framed(self, chunk: bytes) -> bytes:
        """The octets to send for the next `chunk`; may be empty while a CR is held back."""
        if self._vouched:
            return self._stuffed(chunk) if chunk else b""
        if self._held_cr:
            chunk = b"\r" + chunk
            self._held_cr = False
        if chunk.endswith(b"\r"):
            chunk = chunk[:-1]
            self._held_cr = True
        if not chunk:
            return b""
        if not is_canonical(chunk):
            chunk = _LINE_END.sub(b"\r\n", chunk)
        return self._stuffed(chunk)

    def _stuffed(self, chunk: bytes) -> bytes:
        # A search for one octet is many times faster than one for two; text in base64 has no dot at all.
        stuffed = chunk.replace(b"\n.", b"\n..") if b"." in chunk else chunk
        if self._at_line_start and stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = stuffed.endswith(b"\n")
        return stuffed

    def ending(self) -> bytes:
        """What ends the last line and the content: a line end where one is missing, then the final dot."""
        missing = self._held_cr or not self._at_line_start
        return (b"\r\n" if missing else b"") + FINAL_DOT
