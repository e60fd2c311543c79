"""When a token was last used, written along with the messages it submits."""

import sqlite3
from datetime import datetime

from .times_sqlite import text_of


def mark_used(connection: sqlite3.Connection, token_id: str, at: datetime) -> None:
    """Runs inside a transaction of the group writer."""
    connection.execute("UPDATE store_apitoken SET last_used_at = ? WHERE id = ?", (text_of(at), token_id))
