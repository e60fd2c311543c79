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


class ContentFraming:
    """Dot-stuffing that does not depend on where the chunks were cut.

    What leaves is canonical whatever comes in: a bare CR or LF becomes CR LF, a line that begins with a dot gets one
    more, and the last line is ended. `framed` never ends inside what could become CR LF.
    """

    def __init__(self) -> None:
        self._at_line_start = True
        self._held_cr = False

    def framed(self, chunk: bytes) -> bytes:
        """The octets to send for the next `chunk`; may be empty while a CR is held back."""
        if self._held_cr:
            chunk = b"\r" + chunk
            self._held_cr = False
        if chunk.endswith(b"\r"):
            chunk = chunk[:-1]
            self._held_cr = True
        if not chunk:
            return b""
        ends = chunk.count(b"\r\n")
        if ends != chunk.count(b"\n") or ends != chunk.count(b"\r"):
            chunk = _LINE_END.sub(b"\r\n", chunk)
        stuffed = chunk.replace(b"\n.", b"\n..")
        if self._at_line_start and stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = stuffed.endswith(b"\n")
        return stuffed

    def ending(self) -> bytes:
        """What ends the last line and the content: a line end where one is missing, then the final dot."""
        missing = self._held_cr or not self._at_line_start
        return (b"\r\n" if missing else b"") + FINAL_DOT
