"""What of a server's queue is due, on SQLite: the higher priority first, and within one priority each in turn.

The index `delivery_next` holds what waits, and has each turn key of a priority in a range of its own, ordered by due
time. So the ranges are found by a few steps into the index, whatever lies in them: neither ten thousand reports nor
mail that is due later is read before a password reset. What is found comes as JSON in one row, since each row that
SQLite gives costs a change of threads.
"""

import json
import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from .rows_sqlite import said
from .turns import Row, in_turns, ordered

# The condition of the index `delivery_next`, word for word: else SQLite does not know that the index has all of it.
WAITING = "(d.state = 'queued' OR d.state = 'deferred' OR d.state = 'uncertain')"
CLAIM_DELIVERIES = 200

_IN_ORDER = f"FROM store_delivery d INDEXED BY delivery_next WHERE d.server_id = :server AND {WAITING}"
_NEXT_TURN = (
    f"(SELECT d.rowid {_IN_ORDER} AND d.priority = range.priority AND d.turn_key > range.turn_key"
    " ORDER BY d.turn_key LIMIT 1)"
)
_LOWER = f"(SELECT d.rowid {_IN_ORDER} AND d.priority < range.priority ORDER BY d.priority DESC, d.turn_key LIMIT 1)"
_RANGES = (
    "WITH RECURSIVE range(priority, turn_key) AS ("
    f"SELECT * FROM (SELECT d.priority, d.turn_key {_IN_ORDER} ORDER BY d.priority DESC, d.turn_key LIMIT 1)"
    f" UNION ALL SELECT n.priority, n.turn_key FROM range CROSS JOIN store_delivery n"
    f" WHERE n.rowid = COALESCE({_NEXT_TURN}, {_LOWER}))"
    " SELECT json_group_array(json_array(range.priority, range.turn_key)) FROM range"
    f" WHERE (SELECT d.due_at {_IN_ORDER} AND d.priority = range.priority AND d.turn_key = range.turn_key"
    " ORDER BY d.due_at LIMIT 1) <= :now"
)
_DUE = (
    "SELECT json_group_array(json_array(due.number, due.message_id)) FROM ("
    "SELECT d.rowid AS number, d.message_id FROM store_delivery d INDEXED BY delivery_next CROSS JOIN store_message m"
    f" WHERE d.server_id = :server AND {WAITING} AND d.priority = :priority AND d.turn_key = :turn_key"
    " AND d.due_at <= :now AND m.id = d.message_id AND m.expires_at > :now"
    " ORDER BY d.due_at, d.message_id, d.rowid LIMIT :most) due"
)

message_of = itemgetter(1)


def due(connection: sqlite3.Connection, server_id: str, now: str, limit: int, after: str) -> Iterator[tuple[str, Row]]:
    """What is due as (number of the delivery's row, id of the message) with its turn key, in the order in which it
    leaves; of at least `limit` messages where there are so many, the recipients of each together."""
    place = {"server": server_id, "now": now}
    (found,) = connection.execute(_RANGES, place).fetchone()
    for priority, ranges in groupby(json.loads(said(found)), key=itemgetter(0)):
        keys = ordered([turn_key for _, turn_key in ranges], after, limit)
        # Mostly each key has as many; where some have fewer, the others are asked for the rest.
        at_once = limit if len(keys) == 1 else -(-2 * limit // len(keys))
        streams = {
            key: _of_range(connection, {**place, "priority": priority, "turn_key": key}, at_once, limit)
            for key in keys
        }
        if len(keys) == 1:
            yield from ((keys[0], row) for row in streams[keys[0]])
        else:
            yield from in_turns(streams, message_of)


def _of_range(connection: sqlite3.Connection, place: dict[str, Any], at_once: int, limit: int) -> Iterator[Row]:
    """Of at least `limit` messages of one range; 200 deliveries are as much as a claim takes."""
    given = 0
    for most in (at_once + 1, limit + 1, CLAIM_DELIVERIES):
        (found,) = connection.execute(_DUE, {**place, "most": most}).fetchone()
        rows = json.loads(said(found))
        yield from rows[given:]
        given = max(given, len(rows))
        if len(rows) < most:
            return
