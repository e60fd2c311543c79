"""What of a server's queue is due, on SQLite: the higher priority first, and within one priority each in turn.

The index `delivery_next` has each turn key of a priority in a range of its own, ordered by due time. So the ranges are
found by a few steps into the index, whatever lies in them: neither ten thousand reports nor mail that is due later is
read before a password reset.
"""

import heapq
import sqlite3
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from postroom.terms.outcome import WAITING_STATES

from .turns import Row, in_turns, ordered

# Of a row: its due time and place, and the message's id.
_ORDER = itemgetter(1, 2)
message_of = itemgetter(11)

_IN_RANGE = "FROM store_delivery d INDEXED BY delivery_next WHERE d.server_id = :server AND d.state = {state}"
_NEXT_KEY = (
    f"(SELECT d.turn_key {_IN_RANGE.format(state='range.state')} AND d.priority = range.priority"
    " AND d.turn_key > range.turn_key ORDER BY d.turn_key LIMIT 1)"
)
_LOWER = f"{_IN_RANGE.format(state='range.state')} AND d.priority < range.priority ORDER BY d.priority DESC"
_FIRST = f"{_IN_RANGE.format(state='s.state')} ORDER BY d.priority DESC"
_RANGES = (
    f"WITH RECURSIVE s(state) AS (VALUES {', '.join(f'({str(state)!r})' for state in WAITING_STATES)}),"
    " range(state, priority, turn_key) AS ("
    f"SELECT s.state, (SELECT d.priority {_FIRST} LIMIT 1), (SELECT d.turn_key {_FIRST}, d.turn_key LIMIT 1) FROM s"
    f" UNION ALL SELECT range.state, CASE WHEN {_NEXT_KEY} IS NULL THEN (SELECT d.priority {_LOWER} LIMIT 1)"
    f" ELSE range.priority END, COALESCE({_NEXT_KEY}, (SELECT d.turn_key {_LOWER}, d.turn_key LIMIT 1))"
    " FROM range WHERE range.priority IS NOT NULL)"
    " SELECT state, priority, turn_key FROM range WHERE priority IS NOT NULL"
    f" AND (SELECT d.due_at {_IN_RANGE.format(state='range.state')} AND d.priority = range.priority"
    " AND d.turn_key = range.turn_key ORDER BY d.due_at LIMIT 1) <= :now"
)
_WHERE = (
    " WHERE m.id = d.message_id AND d.server_id = :server AND d.state = :state AND d.priority = :priority"
    " AND d.turn_key = :turn_key AND d.due_at <= :now AND m.expires_at > :now ORDER BY d.due_at, d.rowid"
)


def due(
    connection: sqlite3.Connection, select: str, server_id: str, now: str, limit: int, after: str
) -> Iterator[tuple[str, Row]]:
    """Due rows with their turn key, read lazily, of at least `limit` messages where there are so many. `select` is
    everything up to the WHERE, its first columns priority, due time and rowid."""
    ranges: dict[int, dict[str, list[str]]] = {}
    for state, priority, turn_key in connection.execute(_RANGES, {"server": server_id, "now": now}).fetchall():
        ranges.setdefault(priority, {}).setdefault(turn_key, []).append(state)
    for priority, keys in sorted(ranges.items(), reverse=True):
        place = {"server": server_id, "priority": priority, "now": now}
        streams = {
            key: _stream(connection, select, {**place, "turn_key": key}, keys[key])
            for key in ordered(keys, after, limit)
        }
        if len(streams) == 1:
            ((key, stream),) = streams.items()
            yield from ((key, row) for row in stream)
        else:
            yield from in_turns(streams, message_of)


def _stream(connection: sqlite3.Connection, select: str, place: dict[str, Any], states: list[str]) -> Iterator[Row]:
    cursors = [connection.execute(select + _WHERE, {**place, "state": state}) for state in states]
    return iter(cursors[0]) if len(cursors) == 1 else heapq.merge(*cursors, key=_ORDER)
