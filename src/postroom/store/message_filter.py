"""What a list of messages asks for, and the order it shows them in."""

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Self

# Worst first; what waits longest first among the deferred.
ATTENTION = ("failed", "uncertain", "held", "deferred")


class Order(StrEnum):
    """`attention`: failed, uncertain, held, deferred, then the others; in each the newest first, of the deferred the
    oldest. `newest`: by acceptance alone."""

    ATTENTION = "attention"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Messages that have a delivery with all that is asked of deliveries. Empty values ask nothing.

    `bounce` is the kind of a report that came back about the delivery.
    `text` is what somebody typed into the search. `server` is an id, `client` a name, `client_id` a token's id, and
    `recipient` a whole address. The period goes from `since` up to, not including, `until`.
    """

    text: str = ""
    state: str = ""
    recipient: str = ""
    server: str = ""
    cause: str = ""
    purpose: str = ""
    client: str = ""
    client_id: str = ""
    bounce: str = ""
    tag: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether anything is asked beside the period and the state."""
        return any(getattr(self, f.name) for f in fields(self) if f.name not in ("state", "since", "until"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the last message and its segment of the order (`Order`)."""

    segment: int
    id: str

    def __str__(self) -> str:
        return f"{self.segment}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Inverse of `str`; None for anything else."""
        segment, _, id_ = text.partition("-")
        if not (segment.isascii() and segment.isdecimal() and len(segment) == 1 and 1 <= len(id_) <= 26):
            return None
        return cls(int(segment), id_)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of an order: messages with a delivery in `state` ("" for any) and with none in the states of `but_not`."""

    state: str = ""
    but_not: tuple[str, ...] = ()
    oldest_first: bool = False


def segments(order: Order, state: str) -> tuple[Segment, ...]:
    """The order's segments; together they have every message that fits once."""
    if state:
        return (Segment(state, (), order is Order.ATTENTION and state == "deferred"),)
    if order is Order.NEWEST:
        return (Segment(),)
    troubled = tuple(Segment(name, ATTENTION[:n], name == "deferred") for n, name in enumerate(ATTENTION))
    return (*troubled, Segment("", ATTENTION))
