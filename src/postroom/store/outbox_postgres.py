"""The outbox in a PostgreSQL database."""

from collections.abc import Sequence
from datetime import datetime

from .queue import Queue
from .queue_postgres import PostgresQueue
from .writer_postgres import Connection, Kind, PostgresWriter

_USED = (
    "UPDATE store_apitoken t SET last_used_at = given.at FROM (SELECT id, max(at) AS at"
    " FROM unnest(%s::text[], %s::timestamptz[]) AS given(id, at) GROUP BY id) AS given WHERE t.id = given.id"
)


def mark_used(connection: Connection, uses: list[tuple[str, datetime]]) -> Sequence[None]:
    connection.execute(_USED, ([token_id for token_id, _ in uses], [at for _, at in uses]))
    return [None] * len(uses)


USED = Kind(mark_used, is_last=True)


class PostgresOutbox:
    """See `outbox.Outbox`."""

    def __init__(self, conninfo: str, engine: str = "") -> None:
        self._writer = PostgresWriter(conninfo)
        self.queue: Queue = PostgresQueue(self._writer, engine)

    def note_use(self, token_id: str, at: datetime) -> None:
        self._writer.post_unheard(USED, (token_id, at))

    def close(self) -> None:
        self._writer.close()
