"""How long each step of a session may take in all; none of these is an idle timer."""

import asyncio
from dataclasses import dataclass
from typing import Self

from postroom.terms import limits


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds per step, and for the session in all; defaults of RFC 5321 section 4.5.3.2.

    `connect_s` counts per address. `command_s` is the time from a command to the end of its reply. `block_s` is the
    time in which the peer must take each block of content.
    """

    connect_s: float = limits.CONNECT_TIMEOUT_S
    greeting_s: float = limits.GREETING_TIMEOUT_S
    command_s: float = limits.MAIL_TIMEOUT_S
    data_s: float = limits.DATA_TIMEOUT_S
    block_s: float = limits.DATA_BLOCK_TIMEOUT_S
    final_dot_s: float = limits.FINAL_DOT_TIMEOUT_S
    tls_s: float = limits.TLS_HANDSHAKE_TIMEOUT_S
    total_s: float | None = None

    @classmethod
    def for_test(cls, total_s: float = limits.TEST_TIMEOUT_S) -> Self:
        """Deadlines of a test, which answers a waiting person: everything within `total_s`."""
        return cls(
            connect_s=min(limits.TEST_CONNECT_TIMEOUT_S, total_s),
            greeting_s=min(limits.TEST_GREETING_TIMEOUT_S, total_s),
            command_s=total_s,
            data_s=total_s,
            block_s=total_s,
            final_dot_s=total_s,
            tls_s=min(limits.TEST_CONNECT_TIMEOUT_S, total_s),
            total_s=total_s,
        )


class Clock:
    """The running deadlines of one session, in the event loop's time."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends = None if deadlines.total_s is None else self._loop.time() + deadlines.total_s

    def ends_at(self, seconds: float) -> float:
        """The instant at which a step of `seconds` that begins now must be over."""
        at = self._loop.time() + seconds
        return at if self._ends is None else min(at, self._ends)

    def span(self, seconds: float) -> tuple[float, float]:
        """When a step of `seconds` that begins now must be over, and how many seconds that leaves."""
        now = self._loop.time()
        ends = now + seconds if self._ends is None else min(now + seconds, self._ends)
        return ends, max(0.0, ends - now)

    def left_s(self, seconds: float) -> float:
        """What is left of `seconds` under the deadline of the whole session; never negative."""
        return max(0.0, self.ends_at(seconds) - self._loop.time())
