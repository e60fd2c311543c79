"""Notices that another process, or another connection of this one, has committed to the database."""

import sqlite3
from pathlib import Path

from postroom.store.writer import connect


class DatabaseChange:
    """Asks SQLite for its data version, which costs a few microseconds and no disk access."""

    def __init__(self, database: Path) -> None:
        self._connection: sqlite3.Connection = connect(database)
        self._version = -1

    def has_come(self) -> bool:
        """Whether something was committed since the last call; true the first time."""
        before, (self._version,) = self._version, self._connection.execute("PRAGMA data_version").fetchone()
        return before != self._version

    def close(self) -> None:
        self._connection.close()
