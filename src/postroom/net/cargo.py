"""What a run of a session carries, and who is told what became of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from postroom.smtp.content import Content
from postroom.smtp.notes import Notes
from postroom.terms.envelope import Envelope, RecipientResult


@dataclass(slots=True, eq=False)
class Shipment:
    """One transaction to make. `mark` is awaited before the end of the content leaves: from its return on the outcome
    may be uncertain (U10). `careful`: nothing of it may leave before the transaction before it has ended."""

    envelope: Envelope
    content: Content
    mark: Callable[[], Awaitable[None]] | None = None
    careful: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """What a transaction came to: a result per forward-path, in order; its notes, if evidence is wanted; how long it
    took."""

    results: list[RecipientResult]
    notes: Notes
    seconds: float


class Cargo(Protocol):
    """The shipments of a run, one after the other. Nothing here waits or raises.

    Each shipment that was given out comes back exactly once, by one of the other four."""

    def next(self, *, overlapped: bool) -> Shipment | None:
        """The next one, None where there is none (now). `overlapped`: it would leave with the end of another."""

    def ended(self, shipment: Shipment, ended: Ended) -> None:
        """It came to these results."""

    def put_back(self, shipment: Shipment, ended: Ended, *, careful: bool) -> None:
        """The server never took it up; `ended` says why, as if that were the result. `careful`: next time alone."""

    def refused(self, shipment: Shipment, error: Exception) -> bool:
        """Its envelope can't be said (ValueError), or its content or mark raised this, and its end has not left.
        Whether that is dealt with; else the run raises it."""

    def left(self, shipment: Shipment) -> None:
        """The run was cancelled or broke while it was under way: nobody knows what became of it."""
