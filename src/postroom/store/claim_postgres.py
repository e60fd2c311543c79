"""Claiming on PostgreSQL: rows that nobody else has under way, leased with their attempt in one statement.

`FOR UPDATE SKIP LOCKED` lets engines claim beside each other: what one has locked, others pass by.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from postroom.terms.limits import RECIPIENTS_PER_TRANSACTION
from postroom.terms.outcome import WAITING_STATES
from postroom.terms.server import Limits

from . import rates_postgres
from .blobs import DamagedBlob
from .content import FrozenContent, content_from, one_file
from .ids import new_id
from .queue import Claimed, Claims, Damaged, Lease, QueuedMessage
from .rates import time_of_micros
from .suppressed import SUPPRESSED_POSTGRESQL
from .turns import Row, Turns, first_messages, in_turns, ordered, transactions
from .writer_postgres import Connection

CLAIM_DELIVERIES = 200
WAITING = ", ".join(f"'{state}'" for state in WAITING_STATES)

# An attempt after which the server will never take the delivery, as a stand-in may say of its sender or content.
REFUSED = "t.outcome = 'failed' AND t.stage <> ''"
_TRIED = (
    "CASE WHEN d.attempt_count <= {first} THEN '' ELSE (SELECT string_agg(t.server_id, ' ') FROM store_attempt t"
    f" WHERE t.delivery_id = d.id AND ({REFUSED} OR t.moved_to <> '' AND t.number > COALESCE((SELECT max(w.number)"
    " FROM store_attempt w WHERE w.delivery_id = d.id AND w.ended_at IS NOT NULL AND w.moved_to = ''), 0))) END"
)
_MESSAGE = (
    "m.id, m.message_id, m.reverse_path, m.from_header, m.subject, m.purpose, m.content_digest, m.content_size,"
    " m.needs_8bit, m.needs_smtputf8, m.created_at, m.expires_at, m.server_id, m.pinned, m.content_id"
)
# The index `delivery_next` holds what waits, and has each turn key of a priority in a range of its own, found by a few
# steps into it.
_IN_ORDER = (
    "SELECT d.priority, d.turn_key FROM store_delivery d"
    f" WHERE d.server_id = %(server)s AND d.state IN ({WAITING})"
)
_RANGES = (
    "WITH RECURSIVE range(priority, turn_key) AS ("
    f"({_IN_ORDER} ORDER BY d.priority DESC, d.turn_key LIMIT 1)"
    " UNION ALL SELECT n.priority, n.turn_key FROM range CROSS JOIN LATERAL ("
    f"({_IN_ORDER} AND d.priority = range.priority AND d.turn_key > range.turn_key ORDER BY d.turn_key LIMIT 1)"
    f" UNION ALL ({_IN_ORDER} AND d.priority < range.priority ORDER BY d.priority DESC, d.turn_key LIMIT 1)"
    " ORDER BY 1 DESC LIMIT 1) n)"
    " SELECT priority, turn_key FROM range WHERE (SELECT d.due_at FROM store_delivery d"
    f" WHERE d.server_id = %(server)s AND d.state IN ({WAITING}) AND d.priority = range.priority"
    " AND d.turn_key = range.turn_key ORDER BY d.due_at LIMIT 1) <= %(now)s"
)
_DUE = (
    "SELECT d.due_at, d.id, d.message_id FROM store_delivery d JOIN store_message m ON m.id = d.message_id"
    f" WHERE d.server_id = %s AND d.state IN ({WAITING}) AND d.priority = %s AND d.turn_key = %s AND d.due_at <= %s"
    " AND m.expires_at > %s AND NOT d.id = ANY(%s) ORDER BY d.due_at, d.message_id, d.id LIMIT %s"
    " FOR UPDATE OF d SKIP LOCKED"
)
_LEASE = (
    "WITH chosen AS (SELECT * FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS chosen(id, attempt_id, place)),"
    " d AS (UPDATE store_delivery d SET state = 'sending', fence = fence + 1, attempt_count = attempt_count + 1,"
    " lease_until = %s, lease_holder = %s, updated_at = %s FROM chosen WHERE d.id = chosen.id"
    " RETURNING d.id, d.message_id, d.recipient, d.server_id, d.fence, d.attempt_count, d.uncertain_count,"
    " chosen.attempt_id, chosen.place),"
    " begun AS (INSERT INTO store_attempt (id, delivery_id, number, server_id, server_name, started_at, outcome,"
    " stage, enhanced_code, reply, cause) SELECT d.attempt_id, d.id, d.attempt_count, s.id, s.name, %s, '', '', '',"
    " '', '' FROM d JOIN store_smtpserver s ON s.id = d.server_id)"
    " SELECT d.id, d.recipient, d.server_id, d.fence, d.attempt_count, d.uncertain_count, d.attempt_id, '',"
    f" {_TRIED.format(first=1)}, {SUPPRESSED_POSTGRESQL}, {_MESSAGE}, c.octets, c.layout"
    " FROM d JOIN store_message m ON m.id = d.message_id"
    " LEFT JOIN store_content c ON c.id = m.content_id ORDER BY d.place"
)
LEFT_BEHIND = "(d.lease_until IS NULL OR d.lease_until < %s OR d.lease_holder = %s)"
_ABANDONED = (
    "SELECT d.id, d.recipient, d.server_id, d.fence, d.attempt_count, d.uncertain_count, COALESCE(a.id, ''), a.stage,"
    f" '', '', {_MESSAGE}, NULL, NULL FROM store_delivery d JOIN store_message m ON m.id = d.message_id"
    " LEFT JOIN store_attempt a ON a.delivery_id = d.id AND a.number = d.attempt_count AND a.ended_at IS NULL"
    f" WHERE d.state = 'sending' AND {LEFT_BEHIND} ORDER BY d.id"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One claim. `holder` is the engine's name, `turns` whose turn it was last."""

    server_id: str
    now: datetime
    lease_until: datetime
    limit: int
    holder: str
    limits: Limits | None = None
    turns: Turns = field(default_factory=Turns)


@dataclass(frozen=True, slots=True)
class Left:
    """Who asks for what was left under a lease: leases over at `now`, and those of `holder` when that is named."""

    now: datetime
    holder: str | None


def claim(connection: Connection, wanted: list[Wanted]) -> list[Claims]:
    """In the order of servers, so that two engines that lock the same rates do not wait for each other."""
    places = sorted(range(len(wanted)), key=lambda place: wanted[place].server_id)
    claims = {place: _claim(connection, wanted[place]) for place in places}
    return [claims[place] for place in range(len(wanted))]


def _claim(connection: Connection, wanted: Wanted) -> Claims:
    limits = wanted.limits
    room = rates_postgres.room(connection, wanted.server_id, limits, wanted.now)
    if room.messages is None or limits is None:
        return _leased(connection, wanted, _due(connection, wanted, wanted.limit, None))
    most = min(limits.recipients_per_message or RECIPIENTS_PER_TRANSACTION, RECIPIENTS_PER_TRANSACTION)
    found = _due(connection, wanted, min(wanted.limit, room.messages), most)
    begun = transactions(map(_message_of, found), most)
    rates_postgres.spend(connection, wanted.server_id, limits, wanted.now, begun)
    held = rates_postgres.room(connection, wanted.server_id, limits, wanted.now)
    next_at = None if held.next_us is None else time_of_micros(held.next_us)
    return replace(_leased(connection, wanted, found), next_at=next_at, held_by=held.by)


def _leased(connection: Connection, wanted: Wanted, found: list[Row]) -> Claims:
    if not found:
        return Claims()
    ids, attempts = [row[1] for row in found], [new_id() for _ in found]
    rows = connection.execute(
        _LEASE, (ids, attempts, wanted.lease_until, wanted.holder, wanted.now, wanted.now), binary=True
    )
    return _claims(rows)


_message_of = itemgetter(2)


def _due(connection: Connection, wanted: Wanted, limit: int, per_transaction: int | None) -> list[Row]:
    """Lock what is due, of at most `limit` messages."""
    if limit < 1:
        return []
    rows = _in_turns(connection, wanted, limit)
    found = first_messages(rows, _message_of, limit, CLAIM_DELIVERIES, per_transaction)
    if found:
        wanted.turns.served(wanted.server_id, found[-1][0])
    return [row for _, row in found]


def _in_turns(connection: Connection, wanted: Wanted, limit: int) -> Iterator[tuple[str, Row]]:
    ranges: dict[int, list[str]] = {}
    asked = {"server": wanted.server_id, "now": wanted.now}
    for priority, turn_key in connection.execute(_RANGES, asked).fetchall():
        ranges.setdefault(priority, []).append(turn_key)
    for priority, keys in sorted(ranges.items(), reverse=True):
        order = ordered(keys, wanted.turns.after(wanted.server_id), limit)
        # One row more than its share, which shows whether the last message has further recipients.
        first = -(-limit // len(order)) + 1
        streams = {key: _stream(connection, wanted, priority, key, first) for key in order}
        yield from in_turns(streams, _message_of)


def _stream(connection: Connection, wanted: Wanted, priority: int, turn_key: str, first: int) -> Iterator[Row]:
    """Due rows of a range in their order, locked a few at a time."""
    known: list[str] = []
    size = min(first, CLAIM_DELIVERIES)
    while True:
        place = (wanted.server_id, priority, turn_key, wanted.now, wanted.now, known, size)
        rows = connection.execute(_DUE, place).fetchall()
        yield from rows
        if len(rows) < size:
            return
        known += [row[1] for row in rows]
        size = CLAIM_DELIVERIES


def abandoned(connection: Connection, asked: list[Left]) -> list[Claims]:
    return [
        _claims(connection.execute(_ABANDONED, (each.now, each.holder), binary=True)) for each in asked
    ]


def _claims(rows: Iterable[Sequence[Any]]) -> Claims:
    """Rows of (delivery id, recipient, server id, fence, attempts, uncertain, attempt id, stage, servers tried, why
    suppressed, message columns…)."""
    claimed: list[Claimed] = []
    damaged: list[Damaged] = []
    for row in rows:
        lease, may_have_left = Lease(row[0], row[6], row[3]), row[7] != ""
        try:
            message, tried = _message(row[10:]), tuple((row[8] or "").split())
            claimed.append(Claimed(lease, row[1], row[2], row[4], row[5], message, may_have_left, tried, row[9] or ""))
        except (ValueError, TypeError) as error:
            problem = f"the stored row can't be read: {error}"
            damaged.append(Damaged(lease, str(row[1]), str(row[2]), problem, str(row[15]), may_have_left))
    return Claims(tuple(claimed), tuple(damaged))


def _message(row: Sequence[Any]) -> QueuedMessage:
    (
        id_, message_id, reverse_path, from_header, subject, purpose, digest, size, needs_8bit, needs_smtputf8,
        created_at, expires_at, home_id, pinned, content_id, octets, layout,
    ) = row
    return QueuedMessage(
        id=id_, message_id=message_id, reverse_path=reverse_path, from_header=from_header, subject=subject,
        purpose=purpose, content_digest=digest, content_size=size,
        content=_content(digest, size, content_id, octets, layout), needs_8bit=needs_8bit,
        needs_smtputf8=needs_smtputf8, created_at=created_at.astimezone(UTC), expires_at=expires_at.astimezone(UTC),
        home_id=home_id, pinned=pinned,
    )


def _content(digest: str, size: int, content_id: int | None, octets: Any, layout: Any) -> FrozenContent | None:
    if content_id is None:
        return one_file(digest, size)
    if not isinstance(octets, bytes):
        return None
    try:
        return content_from(octets, layout)
    except (DamagedBlob, TypeError):
        return None
