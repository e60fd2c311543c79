"""Runs of several transactions over one session, for tests."""

from collections import deque
from collections.abc import Callable, Sequence

from tests.net.sessions import Text, envelope

from postroom.net.cargo import Ended, Shipment
from postroom.net.session import Session
from postroom.policy.manners import Manners
from postroom.smtp.content import Content
from postroom.smtp.trace import Event
from postroom.terms.envelope import Envelope, RecipientResult


class Load:
    """A cargo that remembers everything: what came of each shipment by its number, what was put back in which order.

    `manners` are what is known of the server; `again` says whether what was put back waits for the next session."""

    def __init__(self, shipments: Sequence[Shipment], manners: Manners | None = None) -> None:
        self.shipments = list(shipments)
        self.waiting = deque(self.shipments)
        self.manners = manners or Manners()
        self.results: dict[int, list[RecipientResult]] = {}
        self.events: dict[int, list[Event]] = {}
        self.returned: list[tuple[int, bool]] = []
        self.errors: dict[int, Exception] = {}
        self.left_over: list[int] = []
        self.on_next: Callable[[], None] = lambda: None

    def next(self, *, overlapped: bool) -> Shipment | None:
        self.on_next()
        if not self.waiting or (overlapped and self.waiting[0].careful):
            return None
        return self.waiting.popleft()

    def ended(self, shipment: Shipment, ended: Ended) -> None:
        number = self.shipments.index(shipment)
        assert number not in self.results, "a transaction ends once"
        self.results[number], self.events[number] = ended.results, ended.notes.events()

    def put_back(self, shipment: Shipment, ended: Ended, *, careful: bool) -> None:
        self.returned.append((self.shipments.index(shipment), careful))
        assert all(str(result.outcome) == "deferred" for result in ended.results)
        shipment.careful = shipment.careful or careful
        self.waiting.appendleft(shipment)

    def refused(self, shipment: Shipment, error: Exception) -> bool:
        self.errors[self.shipments.index(shipment)] = error
        return True

    def left(self, shipment: Shipment) -> None:
        self.left_over.append(self.shipments.index(shipment))

    def outcomes(self) -> list[str]:
        """Outcomes of each shipment's recipients, joined by "+"; "-" where there are none (yet)."""
        return [
            "+".join(str(result.outcome) for result in self.results[number]) if number in self.results else "-"
            for number in range(len(self.shipments))
        ]

    async def over(self, session: Session) -> None:
        await session.carry(self, self.manners)


def shipments(count: int, recipients: int = 1, content: Content | None = None) -> list[Shipment]:
    made = []
    for number in range(count):
        chosen = content or Text(f"Subject: {number}\r\n\r\n.{number}\r\n".encode())
        made.append(Shipment(envelope(recipients, chosen.size_bytes), chosen))
    return made


def shipment(reverse_path: str, forward_paths: Sequence[str], octets: bytes) -> Shipment:
    content = Text(octets)
    return Shipment(Envelope(reverse_path, tuple(forward_paths), len(octets)), content)
