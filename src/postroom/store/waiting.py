"""How much waits for a server, out of the queue's own index: however much was sent before, nothing of it is read."""

from datetime import datetime

from django.db import connection

from .dialect import indexed_by, value_of

# The condition of the index, word for word (`due_sqlite.WAITING`, `models.outbox.WAITS`).
_WAITS = "(d.state = 'queued' OR d.state = 'deferred' OR d.state = 'uncertain')"


def waiting_for(server_id: str, most: int, due_by: datetime | None = None) -> int:
    """Deliveries that wait for the server, at most `most`; with `due_by` those that are due by then (blocking)."""
    due, values = ("", []) if due_by is None else (" AND d.due_at <= %s", [value_of(due_by)])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM store_delivery d{indexed_by('delivery_next')}"
            f" WHERE d.server_id = %s AND {_WAITS}{due} LIMIT %s) found",
            [server_id, *values, most],
        )
        return int(cursor.fetchone()[0])


def any_without_server() -> bool:
    """Whether a delivery waits that has no server, and whose client named none (blocking)."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT 1 FROM store_delivery d{indexed_by('delivery_next')}"
            f" JOIN store_message m ON m.id = d.message_id WHERE d.server_id IS NULL AND {_WAITS} AND NOT m.pinned)"
        )
        return bool(cursor.fetchone()[0])
