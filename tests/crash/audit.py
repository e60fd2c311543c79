"""The five-number audit: what became of every message that a client saw accepted."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path

from tests.outbox import Database, rows

Arrival = tuple[str, str]  # Message-ID, recipient

# A delivery in one of these states need not have arrived.
OPEN = frozenset(("queued", "sending", "deferred", "uncertain", "held", "failed"))


@dataclass(frozen=True)
class StoredDelivery:
    """One delivery of the database at the end. `message` is the message's id, `message_id` its header's."""

    message: str
    message_id: str
    recipient: str
    state: str
    uncertain_count: int


@dataclass(frozen=True)
class Audit:
    """`lost` are sentences about deliveries that nobody has."""

    accepted: int
    stored: int
    delivered: int
    delivered_twice: int
    uncertain: int
    lost: tuple[str, ...]
    states: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether nothing is lost and no message came twice that is not counted as uncertain."""
        return not self.lost and self.delivered_twice <= self.uncertain

    def __str__(self) -> str:
        states = ", ".join(f"{state} {count}" for state, count in sorted(self.states.items()))
        return (
            f"accepted {self.accepted}, stored {self.stored}, delivered at least once {self.delivered}, more than once"
            f" {self.delivered_twice}, uncertain {self.uncertain}, lost {len(self.lost)} ({states})"
        )


def audited(
    accepted: Mapping[str, Sequence[str]], stored: Iterable[StoredDelivery], arrivals: Iterable[Arrival]
) -> Audit:
    """The audit of deliveries. `accepted` maps the id of a message answered 202 to its recipients."""
    arrived = Counter(arrivals)
    by_message: dict[str, dict[str, StoredDelivery]] = {}
    for delivery in stored:
        by_message.setdefault(delivery.message, {})[delivery.recipient] = delivery
    lost = []
    for message, recipients in accepted.items():
        for recipient in recipients:
            found = by_message.get(message, {}).get(recipient)
            if found is None:
                lost.append(f"{message} to {recipient} was accepted and is not in the database")
            elif not arrived[found.message_id, recipient] and found.state not in OPEN:
                lost.append(f"{message} to {recipient} is {found.state} and never arrived")
    deliveries = [d for known in by_message.values() for d in known.values()]
    known = {(d.message_id, d.recipient) for d in deliveries}
    lost += [f"{mid} to {recipient} arrived and is not in the database" for mid, recipient in arrived.keys() - known]
    return Audit(
        accepted=sum(map(len, accepted.values())),
        stored=len(deliveries),
        delivered=len(arrived),
        delivered_twice=sum(count - 1 for count in arrived.values()),
        uncertain=sum(d.uncertain_count for d in deliveries),
        lost=tuple(lost),
        states=Counter(d.state for d in deliveries),
    )


def stored_deliveries(database: Database) -> list[StoredDelivery]:
    found = rows(
        database,
        "SELECT m.id, m.message_id, d.recipient, d.state, d.uncertain_count FROM store_delivery d"
        " JOIN store_message m ON m.id = d.message_id",
    )
    return [StoredDelivery(*row) for row in found]


def sink_arrivals(record: Path) -> list[Arrival]:
    lines = record.read_text().splitlines() if record.exists() else []
    return [(message_id, recipient) for message_id, recipient in (line.split(" ") for line in lines)]


def sandbox_arrivals(database: Database, data: Path) -> list[Arrival]:
    """What the sandbox answered 250 for: its table and the blobs, without the test mails of the server's own tests."""
    arrivals = []
    for digest, stored in rows(database, "SELECT content_digest, forward_paths FROM store_sandboxmessage"):
        content = (data / "blobs" / digest[:2] / digest).read_bytes()
        for recipient in json.loads(stored) if isinstance(stored, str) else stored:
            if recipient != "anyone@sandbox.example":
                arrivals.append((str(BytesHeaderParser().parsebytes(content)["Message-ID"]), recipient))
    return arrivals
