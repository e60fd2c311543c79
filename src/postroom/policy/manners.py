"""What a server may be trusted with beyond one command at a time: PIPELINING (RFC 2920) and CHUNKING (RFC 3030).

A server that offers PIPELINING gets the next envelope together with the end of a content (section 3.1). Some that
offer it don't bear that, or not even an envelope in one write: they throw away what came too early, refuse it as out of
order, answer something else, or hang up. Until one has shown that it keeps its word, such a failure is put down to it:
what was affected is sent again in the plainer way, and for `FORGET_AFTER` nothing else is tried. One that hangs up for
a reason of its own does so twice before it is suspected.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from postroom.smtp.text import printable
from postroom.terms.reply import Reply

FORGET_AFTER = timedelta(days=30)
# RFC 5321 section 4.2.4: unknown, bad and misplaced commands, which is what pieces of commands look like.
_OUT_OF_ORDER_CODES = frozenset((500, 502, 503))
_NO_CHUNKING_CODES = frozenset((500, 501, 502, 503, 504))
_OUT_OF_ORDER = re.compile(
    r"synchroni[sz]ation|pipelin|out of (order|sequence)|bad sequence|sequence of commands", re.IGNORECASE
)
# RFC 3463 section 3.2: "other address status" is about a sender; it is no answer to a content.
_ABOUT_A_SENDER = frozenset(("2.1.0",))


class Pipelining(StrEnum):
    """What may leave in one write: the end of a content with the next envelope, an envelope, or one command."""

    MESSAGES = "messages"
    ENVELOPE = "envelope"
    NONE = "none"


_WAYS = tuple(Pipelining)
_PLAINER = {Pipelining.MESSAGES: Pipelining.ENVELOPE, Pipelining.ENVELOPE: Pipelining.NONE}


class Breach(StrEnum):
    """How a server showed that it does not bear something."""

    REFUSED = "refused"
    MIXED = "mixed"
    UNANSWERED = "unanswered"
    HUNG_UP = "hung-up"
    NO_BDAT = "no-bdat"


_REASONS = {
    Breach.REFUSED: "it refused what was sent together",
    Breach.MIXED: "it answered a content with the reply to another command",
    Breach.UNANSWERED: "it did not answer what was sent together",
    Breach.HUNG_UP: "it hung up in place of an answer to what was sent together",
    Breach.NO_BDAT: "it refused BDAT",
}
SAID_CHARACTERS = 300


@dataclass(slots=True)
class Manners:
    """Of one server; `breach` and what it `said` then tell what made it less than all. `changed` until somebody stores
    it."""

    pipelining: Pipelining = Pipelining.MESSAGES
    chunking: bool = True
    breach: Breach | None = None
    said: str = ""
    changed: bool = False
    proven: set[Pipelining] = field(default_factory=set)
    chunking_proven: bool = False
    _hung_up: set[Pipelining] = field(default_factory=set)

    @property
    def bears_all(self) -> bool:
        """Whether nothing is held against it."""
        return self.pipelining is Pipelining.MESSAGES and self.chunking

    def kept(self, used: Pipelining) -> None:
        """It answered what was sent in this way as it should."""
        self.proven.add(used)

    def is_proven(self, used: Pipelining) -> bool:
        return used in self.proven

    @property
    def reason(self) -> str:
        """One line for the log and programs."""
        return f"{_REASONS[self.breach]}: {self.said}" if self.breach else ""

    def broke(self, used: Pipelining, breach: Breach, said: str) -> None:
        """It did not bear what was sent in this way."""
        if used in self.proven or used not in _PLAINER:
            return
        if _WAYS.index(_PLAINER[used]) > _WAYS.index(self.pipelining):
            self.pipelining, self.changed = _PLAINER[used], True
            self.breach, self.said = breach, printable(said, SAID_CHARACTERS)

    def hung_up(self, used: Pipelining, said: str) -> None:
        """It ended the connection instead of an answer: the first time, that may have been for any reason."""
        if used in self._hung_up:
            self.broke(used, Breach.HUNG_UP, said)
        self._hung_up.add(used)

    def refused_chunks(self, reply: Reply) -> None:
        """It offers CHUNKING and does not know BDAT."""
        self.chunking, self.changed = False, True
        self.breach, self.said = Breach.NO_BDAT, printable(str(reply), SAID_CHARACTERS)

    def as_json(self, at: datetime, key: str) -> dict[str, Any]:
        """As the server's row keeps it. `key` names the settings under which it was learned."""
        return {
            "pipelining": str(self.pipelining), "chunking": self.chunking,
            "breach": str(self.breach or ""), "said": self.said, "at": at.isoformat(), "key": key,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None, now: datetime, key: str) -> Self:
        """Inverse of `as_json`; full trust where nothing is known, or what is known is old or of other settings."""
        if not values or values.get("key") != key:
            return cls()
        if now - datetime.fromisoformat(values["at"]) > FORGET_AFTER:
            return cls()
        breach = Breach(values["breach"]) if values["breach"] else None
        return cls(Pipelining(values["pipelining"]), bool(values["chunking"]), breach, str(values["said"]))


def is_out_of_order(reply: Reply) -> bool:
    """Whether a reply says that the command came when it should not."""
    if reply.is_positive or reply.is_intermediate:
        return False
    return reply.code in _OUT_OF_ORDER_CODES or _OUT_OF_ORDER.search(reply.text) is not None


def knows_no_chunks(reply: Reply) -> bool:
    """Whether a refused chunk tells that the server does not know BDAT, rather than dislike the content."""
    return reply.code in _NO_CHUNKING_CODES


def answers_another_command(reply: Reply) -> bool:
    """Whether what came as the reply to a content can only be the one to a later MAIL."""
    return reply.enhanced in _ABOUT_A_SENDER
