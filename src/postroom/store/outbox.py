"""The queue of this installation, opened: which database holds it is decided here and nowhere else."""

from datetime import datetime
from pathlib import Path
from typing import Protocol

from .database import conninfo, is_postgresql, sqlite_file
from .queue import Queue
from .queue_sqlite import SqliteQueue
from .token_use import mark_used
from .writer_sqlite import GroupWriter

# Nobody waits for the engine's commits, and somebody does for those of the doors.
ENGINE_RESTS_S = 0.015


class Outbox(Protocol):
    """A queue together with the thread that writes it. `close` it when done."""

    @property
    def queue(self) -> Queue: ...

    def note_use(self, token_id: str, at: datetime) -> None:
        """Write along that a token was used; nobody hears whether it was stored. Raises StorageBusy."""

    def close(self) -> None:
        """Finish what was begun. May be called twice."""


class SqliteOutbox:
    """The outbox in an SQLite file."""

    def __init__(self, database: Path, *, rest_s: float = 0.0) -> None:
        self._writer = GroupWriter(database, rest_s=rest_s)
        self.queue: Queue = SqliteQueue(self._writer)

    def note_use(self, token_id: str, at: datetime) -> None:
        self._writer.submit(lambda c: mark_used(c, token_id, at))

    def close(self) -> None:
        self._writer.close()


def open_outbox(engine: str | None = None) -> Outbox:
    """The outbox in the database of Django's settings; `engine` is the name of the engine that claims from it, None
    where none does."""
    if is_postgresql():
        # Its driver takes a while to load.
        from .outbox_postgres import PostgresOutbox

        return PostgresOutbox(conninfo(), engine or "")
    return SqliteOutbox(sqlite_file(), rest_s=0.0 if engine is None else ENGINE_RESTS_S)
