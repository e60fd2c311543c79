"""How many deliveries are in the queue: for each client, what its size limit is held against (B8); for each server."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from postroom.terms.outcome import DeliveryState

from .dialect import time_of, value_of

# What takes room until it is sent, given up or decided about by a person.
IN_QUEUE = (
    DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN, DeliveryState.HELD,
)
_COUNT = (
    "SELECT turn_key, count(*) FROM store_delivery"
    f" WHERE state IN ({', '.join(['%s'] * len(IN_QUEUE))}) GROUP BY 1"
)
_WAITING = (
    "SELECT count(*), sum(CASE WHEN d.due_at <= %s THEN 1 ELSE 0 END), min(CASE WHEN d.due_at <= %s THEN d.due_at END),"
    " min(CASE WHEN d.due_at > %s THEN d.due_at END) FROM store_delivery d WHERE d.server_id {place}"
    " AND (d.state = 'queued' OR d.state = 'deferred' OR d.state = 'uncertain')"
)


def queue_depths() -> dict[str, int]:
    """Deliveries by `NewMessage.client_key` (blocking). Raises DatabaseError."""
    depths: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [str(state) for state in IN_QUEUE])
        for turn_key, number in cursor.fetchall():
            depths[str(turn_key).partition(":")[0]] += int(number)
    return depths


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one server: `due` may leave now, `later` not yet; since when the oldest is due, and when the next
    of the others will be."""

    due: int
    later: int
    due_since: datetime | None
    next_at: datetime | None


def waiting_for(server_id: str | None, now: datetime) -> Waiting:
    """Of a server, or of none (blocking): reads nothing but a range of the queue's index."""
    at = value_of(now)
    place = "= %s" if server_id is not None else "IS NULL"
    values = [at, at, at, *([server_id] if server_id is not None else [])]
    with connection.cursor() as cursor:
        cursor.execute(_WAITING.format(place=place), values)
        number, due, since, coming = cursor.fetchone()
    due = int(due or 0)
    return Waiting(
        due, int(number) - due, time_of(since) if since is not None else None,
        time_of(coming) if coming is not None else None,
    )
