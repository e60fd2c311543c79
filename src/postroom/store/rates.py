"""The row that counts what a server was given, on SQLite: read and written in the transaction of a claim.

Every write transaction on SQLite is alone, so that what is read holds until it is written. Servers without a rate cost
no statement. `store/rates_postgres.py` is the same on PostgreSQL, where reading locks the row.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from postroom.policy.rate import Room, Spent, has_rate
from postroom.terms.server import Limits

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros_of(at: datetime) -> int:
    """Microseconds of the epoch."""
    return (at - _EPOCH) // _MICROSECOND


def time_of_micros(at_us: int) -> datetime:
    """Inverse of `micros_of`."""
    return _EPOCH + at_us * _MICROSECOND


def room(connection: sqlite3.Connection, server_id: str, limits: Limits | None, now: datetime) -> Room:
    """What the server's rates allow to begin now."""
    if limits is None or not has_rate(limits):
        return Room()
    return _spent(connection, server_id).room(limits, micros_of(now))


def spend(
    connection: sqlite3.Connection, server_id: str, limits: Limits | None, now: datetime, messages: int
) -> None:
    """So many messages are begun in this transaction."""
    if messages and limits is not None and has_rate(limits):
        _store(connection, server_id, _spent(connection, server_id).plus(messages, limits, micros_of(now)))


def refund(connection: sqlite3.Connection, server_id: str, limits: Limits | None, messages: int) -> None:
    """So many of those begun last were not tried."""
    if messages and limits is not None and has_rate(limits):
        _store(connection, server_id, _spent(connection, server_id).minus(messages, limits))


def learn(
    connection: sqlite3.Connection, server_id: str, sent: Sequence[tuple[datetime, int]], now: datetime
) -> None:
    """What is known to have left within a day: (time, messages). Each counts once, whoever tells of it."""
    known = [(micros_of(at), messages) for at, messages in sent]
    _store(connection, server_id, _spent(connection, server_id).learning(known, micros_of(now)))


def _spent(connection: sqlite3.Connection, server_id: str) -> Spent:
    row = connection.execute(
        "SELECT arrival_us, quarters FROM store_sendrate WHERE server_id = ?", (server_id,)
    ).fetchone()
    return read_spent(row)


def read_spent(row: Sequence[object] | None) -> Spent:
    """What a row says; a row that can't be read counts as none, since a rate is worth less than delivery (D9)."""
    if row is None:
        return Spent()
    try:
        return Spent.read(int(str(row[0])), str(row[1]))
    except ValueError:
        return Spent()


def _store(connection: sqlite3.Connection, server_id: str, spent: Spent) -> None:
    connection.execute(
        "INSERT INTO store_sendrate (server_id, arrival_us, quarters)"
        " SELECT id, ?, ? FROM store_smtpserver WHERE id = ?"
        " ON CONFLICT (server_id) DO UPDATE SET arrival_us = excluded.arrival_us, quarters = excluded.quarters",
        (spent.arrival_us, spent.written(), server_id),
    )
