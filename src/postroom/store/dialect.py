"""What the raw statements over Django's connection say differently on SQLite and on PostgreSQL.

They keep `%s` for values, write times through `value_of` and read them through `time_of`; everything else in them is
SQL that both understand.
"""

import json
from datetime import UTC, datetime
from typing import Any

from django.db import connection


def indexed_by(index: str) -> str:
    """To follow a table's name: the index that leads. "" for none, and on PostgreSQL, which counts the rows and chooses
    well by itself."""
    return f" INDEXED BY {index}" if index and _is_sqlite() else ""


def value_of(at: datetime) -> Any:
    """An aware time as a statement's value."""
    return str(at.astimezone(UTC).replace(tzinfo=None)) if _is_sqlite() else at


def time_of(stored: str | datetime) -> datetime:
    """Inverse of `value_of` for a column that a statement brought."""
    at = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def time_mark() -> str:
    """The mark for a time where no column beside it tells the type."""
    return "%s" if _is_sqlite() else "%s::timestamptz"


def whole_seconds(column: str) -> str:
    """Seconds since 1970 of a column that holds a time."""
    if _is_sqlite():
        return f"CAST(strftime('%%s', {column}) AS INTEGER)"
    return f"CAST(floor(extract(epoch FROM {column})) AS BIGINT)"


def like() -> str:
    """LIKE that takes small and capital letters of ASCII for the same."""
    return "LIKE" if _is_sqlite() else "ILIKE"


def holds(column: str) -> str:
    """Whether a list of texts in a column of JSON has one; the value of its mark comes of `held`."""
    return f"{column} LIKE %s ESCAPE '\\'" if _is_sqlite() else f"{column} @> %s::jsonb"


def held(text: str) -> str:
    """The value for `holds`."""
    if not _is_sqlite():
        return json.dumps([text])
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f'%"{escaped}"%'


def unordered(column: str) -> str:
    """A column to order by that keeps the order from choosing the index: SQLite takes the one that is named."""
    return f"+{column}" if _is_sqlite() else column


def has_row_numbers() -> bool:
    """Whether each row has a `rowid`, the order in which it was inserted."""
    return _is_sqlite()


def _is_sqlite() -> bool:
    return connection.vendor == "sqlite"
