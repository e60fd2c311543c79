"""A transaction under way in a run, and the ways in which a run ends early."""

from postroom.policy.manners import Pipelining
from postroom.smtp.client import Transaction
from postroom.smtp.notes import Notes
from postroom.terms.reply import Reply

from .cargo import Shipment


class Flight:
    """`used` is the way in which its envelope left, `overlapped` with the content before it (`follows_refusal` where
    that was refused), `is_whole` with its own; `chunk_sent` octets of its content are with the server, `octets` are all
    of a small one. Of what left with the end of its content, at most `tail_bytes` came behind that."""

    __slots__ = (
        "began_s", "chunk_sent", "follows_refusal", "is_whole", "notes", "octets", "overlapped", "said_s", "shipment",
        "tail_bytes", "transaction", "used",
    )

    def __init__(
        self, shipment: Shipment, transaction: Transaction, octets: bytes | None, used: Pipelining, began_s: float
    ) -> None:
        self.shipment, self.transaction, self.octets, self.used = shipment, transaction, octets, used
        self.began_s = self.said_s = began_s
        self.notes = Notes()
        self.chunk_sent = self.tail_bytes = 0
        self.overlapped = self.follows_refusal = self.is_whole = False


class Distrusted(Exception):
    """The server did not bear what it offers; the session is over. `flight` is what it was noticed by."""

    def __init__(self, flight: Flight, reply: Reply) -> None:
        super().__init__(str(reply))
        self.flight, self.reply = flight, reply


class Farewell(Exception):
    """The server said 421 in its turn, refused a content midway, or kept its transaction open: the session is over."""
