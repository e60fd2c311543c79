"""Many rows by one statement, on SQLite: each statement costs a change of threads, each row of one next to nothing."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

# So many rows at most; and few different numbers of rows, for each is a statement that is kept prepared.
_MOST = 32
_EXACT = 16


def chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The rows in order, 32 at once, then 16, then the rest."""
    start, end = 0, len(rows)
    while start < end:
        size = next(size for size in (_MOST, _EXACT, end - start) if size <= end - start)
        yield rows[start:start + size]
        start += size


def insert(connection: sqlite3.Connection, head: str, row: str, rows: Sequence[Sequence[Any]]) -> int:
    """INSERT rows; `head` is the statement up to VALUES, `row` one row of it in parentheses. The last row's number."""
    last = 0
    for some in chunks(rows):
        cursor = connection.execute(_repeated(head, row, len(some)), _flat(some))
        last = cursor.lastrowid or 0
    return last


def update(connection: sqlite3.Connection, columns: str, row: str, tail: str, rows: Sequence[Sequence[Any]]) -> int:
    """UPDATE with a table `given` of these columns; `tail` is the statement itself. How many rows it changed; what its
    triggers wrote does not count."""
    return sum(
        connection.execute(_from_given(columns, row, len(some), tail), _flat(some)).rowcount for some in chunks(rows)
    )


@contextmanager
def any_text(connection: sqlite3.Connection) -> Iterator[None]:
    """Within, a text that can't be decoded comes as its octets, so that it spoils no other (D9)."""
    connection.text_factory = _decoded
    try:
        yield
    finally:
        connection.text_factory = str


def said(value: Any) -> str:
    """A value for the eye, whatever it is."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _decoded(octets: bytes) -> str | bytes:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets


@cache
def _repeated(head: str, row: str, number: int) -> str:
    return f"{head} VALUES {', '.join([row] * number)}"


@cache
def _from_given(columns: str, row: str, number: int, tail: str) -> str:
    # Python counts the rows of a statement that begins with UPDATE, not of one that begins with WITH.
    statement, _, condition = tail.partition(" FROM given ")
    given = f"WITH given({columns}) AS ({_repeated('', row, number)}) SELECT * FROM given"
    return f"{statement} FROM ({given}) AS given {condition}"


def _flat(rows: Sequence[Sequence[Any]]) -> list[Any]:
    return [value for row in rows for value in row]
