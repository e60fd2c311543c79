"""The two ways in which a session ends early."""

from typing import Literal

from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply

FaultKind = Literal[
    "closed", "reset", "timeout", "malformed", "too-long", "endless", "injection", "unsolicited", "pipelining"
]


class WireFault(Exception):
    """The peer broke the protocol or stopped; inside net/ only. `octets` are the first that made no sense."""

    def __init__(self, kind: FaultKind, text: str, octets: bytes = b"") -> None:
        super().__init__(text)
        self.kind: FaultKind = kind
        self.text = text
        self.octets = octets


class SessionFailed(Exception):
    """A session did not come to life. `reply` is the server's line that decided, if any; the rest is in the trace."""

    def __init__(self, stage: Stage, reply: Reply | None, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage
        self.reply = reply
        self.reason = reason
