"""Notices that another process, or another connection of this one, has committed to the database."""

import sqlite3
from pathlib import Path
from typing import Protocol

from .database import conninfo, is_postgresql, sqlite_file
from .writer_sqlite import connect


class Change(Protocol):
    """Asked often, from one thread; `close` it when done."""

    def has_come(self) -> bool:
        """Whether something was committed since the last call; true the first time."""

    def close(self) -> None: ...


class SqliteChange:
    """Asks SQLite for its data version, which costs a few microseconds and no disk access."""

    def __init__(self, database: Path) -> None:
        self._connection: sqlite3.Connection = connect(database)
        self._version = -1

    def has_come(self) -> bool:
        before, (self._version,) = self._version, self._connection.execute("PRAGMA data_version").fetchone()
        return before != self._version

    def close(self) -> None:
        self._connection.close()


def open_change() -> Change:
    """Of the database of Django's settings."""
    if is_postgresql():
        # Its driver takes a while to load.
        from .change_postgres import PostgresChange

        return PostgresChange(conninfo())
    return SqliteChange(sqlite_file())
