"""Replies out of octets (RFC 5321 section 4.2), from a peer that is not trusted.

Contract: `ReplyParser.feed` takes any octets in any cuts and never raises. It yields complete replies in order until
the peer breaks the form or a limit; then `fault` says how, for good, and nothing more is parsed. Work is linear in
the octets fed and memory is bounded by terms/limits whatever arrives. A line ends with LF, with or without CR: bare LF
in a reply harms nobody and some servers send it. All lines of a reply carry the same code (RFC 5321 section 4.2.1);
a peer that contradicts itself is not guessed at.
"""

import re
from collections import deque
from dataclasses import dataclass
from typing import Literal

from postroom.terms.limits import REPLY_BYTES, REPLY_LINE_BYTES, REPLY_LINES
from postroom.terms.reply import Reply

FAULT_OCTETS = 512
# A server says the same few lines over and over: replies of one line are read once.
_KNOWN_LINES = 64
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?\Z", re.DOTALL)
# What a line may look like before its fifth octet has come.
_LINE_START = re.compile(rb"(?:[2-5](?:[0-9](?:[0-9](?:[ \-\r].*)?)?)?)?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FramingFault:
    """How the peer left SMTP: not a reply at all, a line without end, or a reply without end."""

    kind: Literal["malformed", "too-long", "endless"]
    text: str


class ReplyParser:
    """One direction of one connection. `replies` are complete and not yet taken, oldest first."""

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.fault: FramingFault | None = None
        self._octets = b""
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._code = 0
        self._size = 0
        self._known: dict[bytes, Reply] = {}

    @property
    def octets(self) -> bytes:
        """The first octets that were not a reply, for the evidence; empty without a fault."""
        return self._octets

    @property
    def is_between_replies(self) -> bool:
        """True when nothing is held that has not been taken: no reply, no part of one."""
        return not (self.replies or self._buffer or self._lines or self.fault)

    @property
    def pending_octets(self) -> bytes:
        """What was received of an unfinished line."""
        return bytes(self._buffer[:FAULT_OCTETS])

    def feed(self, octets: bytes) -> None:
        if self.fault is not None:
            self._octets += octets[: FAULT_OCTETS - len(self._octets)]
            return
        start = 0
        while (end := octets.find(b"\n", start)) >= 0:
            line = octets[start:end]
            start = end + 1
            if self._buffer:
                line = bytes(self._buffer + line)
                self._buffer.clear()
            known = None if self._lines else self._known.get(line)
            if known is not None:
                self.replies.append(known)
                continue
            self._take_line(line[:-1] if line.endswith(b"\r") else line)
            if self.fault is not None:
                self.feed(octets[start:])
                return
            if self.replies and not self._lines and len(self.replies[-1].lines) == 1:
                self._remember(line, self.replies[-1])
        if start == len(octets) and not self._buffer:
            return
        self._buffer += octets[start : start + REPLY_LINE_BYTES + 1]
        self._check_unfinished()

    def _remember(self, line: bytes, reply: Reply) -> None:
        if len(self._known) >= _KNOWN_LINES:
            self._known.clear()
        self._known[line] = reply

    def _take_line(self, line: bytes) -> None:
        if len(line) > REPLY_LINE_BYTES:
            return self._fail("too-long", f"a reply line of more than {REPLY_LINE_BYTES} octets", line + b"\r\n")
        match = _LINE.match(line)
        if match is None:
            return self._fail("malformed", "not an SMTP reply", line + b"\r\n")
        code, separator, text = int(match.group(1)), match.group(2), match.group(3) or b""
        if self._lines and code != self._code:
            return self._fail("malformed", f"a reply that begins with {self._code} goes on with {code}", line + b"\r\n")
        self._code = code
        self._size += len(line)
        self._lines.append(text.decode("utf-8", "replace"))
        if separator == b"-":
            if len(self._lines) >= REPLY_LINES:
                return self._fail("endless", f"a reply of more than {REPLY_LINES} lines", line + b"\r\n")
            if self._size > REPLY_BYTES:
                return self._fail("endless", f"a reply of more than {REPLY_BYTES} octets", line + b"\r\n")
            return None
        self.replies.append(Reply(code, tuple(self._lines)))
        self._lines, self._size = [], 0
        return None

    def _check_unfinished(self) -> None:
        if not _LINE_START.match(self._buffer[:5]):
            self._fail("malformed", "not an SMTP reply", bytes(self._buffer))
        elif len(self._buffer) > REPLY_LINE_BYTES:
            self._fail("too-long", f"a reply line of more than {REPLY_LINE_BYTES} octets", bytes(self._buffer))

    def _fail(self, kind: Literal["malformed", "too-long", "endless"], text: str, octets: bytes) -> None:
        self.fault = FramingFault(kind, text)
        self._octets = octets[:FAULT_OCTETS]
        self._buffer.clear()
        self._lines = []
