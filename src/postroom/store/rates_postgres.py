"""The row that counts what a server was given, on PostgreSQL: locked by the claim that reads it, until it commits."""

from collections.abc import Sequence
from datetime import datetime

from postroom.policy.rate import Room, Spent, has_rate
from postroom.terms.server import Limits

from .rates import micros_of, read_spent
from .writer_postgres import Connection

_MAKE = (
    "INSERT INTO store_sendrate (server_id, arrival_us, quarters) SELECT id, 0, '' FROM store_smtpserver WHERE id = %s"
    " ON CONFLICT (server_id) DO NOTHING"
)
_READ = "SELECT arrival_us, quarters FROM store_sendrate WHERE server_id = %s FOR UPDATE"
_WRITE = "UPDATE store_sendrate SET arrival_us = %s, quarters = %s WHERE server_id = %s"


def room(connection: Connection, server_id: str, limits: Limits | None, now: datetime) -> Room:
    """What the server's rates allow to begin now."""
    if limits is None or not has_rate(limits):
        return Room()
    return _spent(connection, server_id).room(limits, micros_of(now))


def spend(connection: Connection, server_id: str, limits: Limits, now: datetime, messages: int) -> None:
    """So many messages are begun in this transaction."""
    if messages:
        _store(connection, server_id, _spent(connection, server_id).plus(messages, limits, micros_of(now)))


def refund(connection: Connection, server_id: str, limits: Limits | None, messages: int) -> None:
    """So many of those begun last were not tried."""
    if messages and limits is not None and has_rate(limits):
        _store(connection, server_id, _spent(connection, server_id).minus(messages, limits))


def learn(connection: Connection, server_id: str, sent: Sequence[tuple[datetime, int]], now: datetime) -> None:
    """What is known to have left within a day: (time, messages). Each counts once, whoever tells of it."""
    known = [(micros_of(at), messages) for at, messages in sent]
    _store(connection, server_id, _spent(connection, server_id).learning(known, micros_of(now)))


def _spent(connection: Connection, server_id: str) -> Spent:
    row = connection.execute(_READ, (server_id,)).fetchone()
    if row is None:
        connection.execute(_MAKE, (server_id,))
        row = connection.execute(_READ, (server_id,)).fetchone()
    return read_spent(row)


def _store(connection: Connection, server_id: str, spent: Spent) -> None:
    connection.execute(_WRITE, (spent.arrival_us, spent.written(), server_id))
