"""How many deliveries are in the queue, for each client: what its size limit is held against (B8)."""

from django.db import connection

from postroom.terms.outcome import DeliveryState

# What takes room until it is sent, given up or decided about by a person.
IN_QUEUE = (
    DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN, DeliveryState.HELD,
)
_COUNT = (
    "SELECT COALESCE(m.client_id, ''), count(*) FROM store_delivery d JOIN store_message m ON m.id = d.message_id"
    f" WHERE d.state IN ({', '.join(['%s'] * len(IN_QUEUE))}) GROUP BY 1"
)


def queue_depths() -> dict[str, int]:
    """Deliveries by the client's id, "" for people and the command line (blocking). Raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [str(state) for state in IN_QUEUE])
        return {str(client): int(number) for client, number in cursor.fetchall()}
