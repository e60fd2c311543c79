"""How many deliveries are in the queue, for each client: what its size limit is held against (B8)."""

from collections import Counter

from django.db import connection

from postroom.terms.outcome import DeliveryState

# What takes room until it is sent, given up or decided about by a person.
IN_QUEUE = (
    DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN, DeliveryState.HELD,
)
_COUNT = (
    "SELECT turn_key, count(*) FROM store_delivery"
    f" WHERE state IN ({', '.join(['%s'] * len(IN_QUEUE))}) GROUP BY 1"
)


def queue_depths() -> dict[str, int]:
    """Deliveries by `NewMessage.client_key` (blocking). Raises DatabaseError."""
    depths: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [str(state) for state in IN_QUEUE])
        for turn_key, number in cursor.fetchall():
            depths[str(turn_key).partition(":")[0]] += int(number)
    return depths
