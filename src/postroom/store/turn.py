"""Whose turn it is to do what needs doing once, where several engines work on one database.

On PostgreSQL the turn is a lock of the database that an engine's connection holds: it is free again as soon as that
connection is gone. On SQLite one engine works, and the turn is always its own.
"""

from typing import TYPE_CHECKING, Any, Protocol

from .database import CHORES_LOCK, connected, conninfo, is_postgresql

if TYPE_CHECKING:
    import psycopg


class Turn(Protocol):
    @property
    def is_mine(self) -> bool:
        """As `take` found it last."""

    def take(self) -> bool:
        """Take the turn if nobody has it; whether it is this engine's now (blocking)."""

    def close(self) -> None:
        """Give it back."""


class OnlyTurn:
    """Nobody else is there."""

    is_mine = True

    def take(self) -> bool:
        return True

    def close(self) -> None: ...


class PostgresTurn:
    """See above. A connection that does not answer is a turn lost."""

    def __init__(self, info: str) -> None:
        self._conninfo = info
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self.is_mine = False

    def take(self) -> bool:
        import psycopg

        question = "SELECT true" if self.is_mine else f"SELECT pg_try_advisory_lock({CHORES_LOCK})"
        try:
            if self._connection is None:
                self._connection = connected(self._conninfo)
            self.is_mine = self._connection.execute(question).fetchone() == (True,)
        except psycopg.Error:
            self.close()
        return self.is_mine

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self.is_mine = False
        if connection is not None:
            connection.close()


def open_turn() -> Turn:
    """In the database of Django's settings."""
    return PostgresTurn(conninfo()) if is_postgresql() else OnlyTurn()
