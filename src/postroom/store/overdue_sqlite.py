"""Looking for waiting deliveries whose message has expired, on SQLite: some at a time, once around and again.

No index tells them apart: it would cost every message a step. A million that wait are looked through within minutes,
and whatever has expired is not claimed meanwhile.
"""

import sqlite3
from datetime import datetime
from typing import Any

from postroom.terms.outcome import WAITING_STATES

from .queue import Lease, Overdue
from .rows_sqlite import any_text, said
from .times_sqlite import text_of

# So many are looked at in one transaction, for some hundredths of a second.
ROWS = 20_000

_SOURCE = (
    "FROM store_delivery d INDEXED BY delivery_state CROSS JOIN store_message m ON m.id = d.message_id"
    " WHERE d.state = :state AND d.message_id > :after"
)
_LOOK = (
    "SELECT count(*), max(message_id), total(is_over) FROM ("
    f"SELECT d.message_id, m.expires_at <= :now AS is_over {_SOURCE} ORDER BY d.message_id LIMIT :rows)"
)
_OVER = (
    f"SELECT d.id, d.fence, d.recipient, d.server_id, m.id, m.message_id, m.subject, d.last_reply {_SOURCE}"
    " AND d.message_id <= :last AND m.expires_at <= :now LIMIT :limit"
)


class OverdueLook:
    """Remembers how far it has looked."""

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows
        self._state, self._after = 0, ""

    def found(self, connection: sqlite3.Connection, now: datetime, limit: int) -> list[Overdue]:
        """At most `limit`, of the deliveries that are looked at now."""
        found: list[Overdue] = []
        left, begun_at = self._rows, self._state
        while left > 0 and len(found) < limit:
            looked, some = self._look(connection, text_of(now), left, limit - len(found))
            found += some
            left -= looked
            if not self._after and self._state == begun_at:
                break
        return found

    def _look(self, connection: sqlite3.Connection, now: str, rows: int, limit: int) -> tuple[int, list[Overdue]]:
        """How many rows of one state were looked at, and what of them is over; goes on behind them next time."""
        state = WAITING_STATES[self._state]
        place = {"state": str(state), "after": self._after, "now": now, "rows": rows, "limit": limit}
        looked, last, over = connection.execute(_LOOK, place).fetchone()
        some = []
        if over:
            with any_text(connection):
                some = [_overdue(*row) for row in connection.execute(_OVER, {**place, "last": last})]
        if len(some) >= limit:
            return looked, some  # what is found ends now, and the next look sees those behind it
        if looked < rows:
            self._state, self._after = (self._state + 1) % len(WAITING_STATES), ""
        else:
            self._after = last
        return looked, some


def _overdue(id_: str, fence: int, recipient: Any, server_id: Any, *texts: Any) -> Overdue:
    """Texts that can't be read are told as far as they can be: to give up on a delivery needs none of them (D9)."""
    return Overdue(Lease(id_, "", fence), said(recipient), server_id and said(server_id), *map(said, texts))
