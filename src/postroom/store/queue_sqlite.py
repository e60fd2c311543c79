"""The queue's statements on SQLite. Each function runs inside a transaction of the group writer.

Times are written as Django's backend writes them (UTC without offset, a space between date and time), so that pages
read these rows through the ORM and texts compare in order of time.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from postroom.terms.limits import RECIPIENTS_PER_TRANSACTION
from postroom.terms.outcome import WAITING_STATES, DeliveryState, Stage
from postroom.terms.server import Limits

from . import rates
from .blobs import DamagedBlob
from .content import FrozenContent, content_of_row, one_file
from .due_sqlite import due, message_of
from .ids import new_id
from .queue import (
    Claimed,
    Claims,
    Damaged,
    Enqueued,
    IdempotencyConflict,
    Lease,
    NewMessage,
    Overdue,
    QueuedMessage,
    Settlement,
)
from .suppressed import SUPPRESSED_SQLITE
from .tally import Tally
from .turns import Row, Turns, first_messages, transactions
from .writer import GroupWriter

T = TypeVar("T")
CLAIM_DELIVERIES = 200

_MESSAGE_COLUMNS = (
    "m.id, m.message_id, m.reverse_path, m.from_header, m.subject, m.purpose, m.content_digest, m.content_size,"
    " m.needs_8bit, m.needs_smtputf8, m.created_at, m.expires_at, m.server_id, m.pinned, m.content_id,"
    " (SELECT c.octets FROM store_content c WHERE c.id = m.content_id),"
    f" (SELECT c.layout FROM store_content c WHERE c.id = m.content_id), {SUPPRESSED_SQLITE}"
)
# An attempt after which the server will never take the delivery, as a stand-in may say of its sender or content.
_REFUSED = "t.outcome = 'failed' AND t.stage <> ''"
_TRIED = (
    "CASE WHEN d.attempt_count = 0 THEN '' ELSE (SELECT group_concat(t.server_id, ' ') FROM store_attempt t"
    f" WHERE t.delivery_id = d.id AND ({_REFUSED} OR t.moved_to <> '' AND t.number > COALESCE((SELECT max(w.number)"
    " FROM store_attempt w WHERE w.delivery_id = d.id AND w.ended_at IS NOT NULL AND w.moved_to = ''), 0))) END"
)
_DUE = (
    "SELECT d.priority, d.due_at, d.rowid, d.id, d.recipient, d.server_id, d.fence + 1, d.attempt_count + 1,"
    f" d.uncertain_count, '', {_TRIED}, {_MESSAGE_COLUMNS} FROM store_delivery d INDEXED BY delivery_next"
    " CROSS JOIN store_message m"
)


def text_of(at: datetime) -> str:
    """An aware time as Django's SQLite backend stores it."""
    return str(at.astimezone(UTC).replace(tzinfo=None))


def time_of(text: str) -> datetime:
    """Inverse of `text_of`; raises ValueError or TypeError on anything else."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def enqueue(connection: sqlite3.Connection, new: NewMessage) -> Enqueued:
    if new.idempotency_key is not None:
        earlier = _earlier(connection, new)
        if earlier is not None:
            return earlier
    created_at = text_of(new.created_at)
    # A client or server deleted meanwhile becomes NULL: a broken reference would fail the whole group's commit.
    connection.execute(
        "INSERT INTO store_message (id, client_id, client_name, server_id, pinned, message_id, reverse_path,"
        " from_header, subject, purpose, priority, list_name, content_digest, content_size, needs_8bit, needs_smtputf8,"
        " attachments, tags, metadata, created_at, send_at, expires_at, content_id)"
        " VALUES (?, (SELECT id FROM store_apitoken WHERE id = ?), ?, (SELECT id FROM store_smtpserver WHERE id = ?),"
        " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            new.id, new.client_id, new.client_name, new.server_id, new.pinned, new.message_id, new.reverse_path,
            new.from_header, new.subject, new.purpose, new.priority, new.list_name,
            new.content.digest, new.content.size_bytes, new.needs_8bit, new.needs_smtputf8,
            json.dumps(new.attachments), json.dumps(new.tags), json.dumps(new.metadata), created_at,
            text_of(new.send_at) if new.send_at else None, text_of(new.expires_at),
            _content_id(connection, new.content),
        ),
    )
    deliveries = tuple((new_id(), recipient) for recipient in new.recipients)
    due_at = text_of(max(new.send_at, new.created_at) if new.send_at else new.created_at)
    connection.executemany(
        "INSERT INTO store_delivery (id, message_id, recipient, state, due_at, priority, attempt_count, fence,"
        " uncertain_count, server_id, last_reply, cause, turn_key, updated_at)"
        " SELECT ?, id, ?, 'queued', ?, ?, 0, 0, 0, server_id, '', '', ?, ? FROM store_message WHERE id = ?",
        [(id_, recipient, due_at, new.priority, new.turn_key, created_at, new.id) for id_, recipient in deliveries],
    )
    if new.idempotency_key is not None:
        connection.execute(
            "INSERT INTO store_idempotencykey (scope, key, request_digest, message_id, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (new.idempotency_scope, new.idempotency_key, new.request_digest, new.id, created_at),
        )
    return Enqueued(new.id, deliveries)


def _content_id(connection: sqlite3.Connection, content: FrozenContent) -> int | None:
    if content.is_one_file:
        return None
    layout = content.layout
    return connection.execute(
        "INSERT INTO store_content (octets, layout) VALUES (?, ?)",
        (content.inline_octets, None if layout is None else json.dumps(layout)),
    ).lastrowid


def _earlier(connection: sqlite3.Connection, new: NewMessage) -> Enqueued | None:
    row = connection.execute(
        "SELECT message_id, request_digest FROM store_idempotencykey WHERE scope = ? AND key = ?",
        (new.idempotency_scope, new.idempotency_key),
    ).fetchone()
    if row is None:
        return None
    if row[1] != new.request_digest:
        raise IdempotencyConflict("this Idempotency-Key was used with another request")
    deliveries = connection.execute(
        "SELECT id, recipient FROM store_delivery WHERE message_id = ? ORDER BY rowid", (row[0],)
    ).fetchall()
    return Enqueued(row[0], tuple(deliveries), replayed=True)


def claim(
    connection: sqlite3.Connection,
    server_id: str,
    now: datetime,
    lease_until: datetime,
    limit: int,
    limits: Limits | None,
    turns: Turns,
) -> Claims:
    room = rates.room(connection, server_id, limits, now)
    if room.messages is None or limits is None:
        return _leased(connection, _due(connection, server_id, now, limit, turns, None), now, lease_until)
    most = min(limits.recipients_per_message or RECIPIENTS_PER_TRANSACTION, RECIPIENTS_PER_TRANSACTION)
    found = _due(connection, server_id, now, min(limit, room.messages), turns, most)
    rates.spend(connection, server_id, limits, now, transactions(map(message_of, found), most))
    held = rates.room(connection, server_id, limits, now)
    next_at = None if held.next_us is None else rates.time_of_micros(held.next_us)
    return replace(_leased(connection, found, now, lease_until), next_at=next_at, held_by=held.by)


def _leased(connection: sqlite3.Connection, found: list[Row], now: datetime, lease_until: datetime) -> Claims:
    rows = [(*row[3:9], new_id(), *row[9:]) for row in found]
    at = text_of(now)
    connection.executemany(
        "UPDATE store_delivery SET state = 'sending', fence = fence + 1, attempt_count = attempt_count + 1,"
        " lease_until = ?, updated_at = ? WHERE id = ?",
        [(text_of(lease_until), at, row[0]) for row in rows],
    )
    connection.executemany(
        "INSERT INTO store_attempt (id, delivery_id, number, server_id, server_name, started_at, outcome, stage,"
        " enhanced_code, reply, cause) SELECT ?, d.id, d.attempt_count, s.id, s.name, ?, '', '', '', '', ''"
        " FROM store_delivery d JOIN store_smtpserver s ON s.id = d.server_id WHERE d.id = ?",
        [(row[6], at, row[0]) for row in rows],
    )
    return _claims(rows)


def _due(
    connection: sqlite3.Connection, server_id: str, now: datetime, limit: int, turns: Turns, per_transaction: int | None
) -> list[Row]:
    if limit < 1:
        return []
    rows = due(connection, _DUE, server_id, text_of(now), limit, turns.after(server_id))
    found = first_messages(rows, message_of, limit, CLAIM_DELIVERIES, per_transaction)
    if found:
        turns.served(server_id, found[-1][0])
    return [row for _, row in found]


def _claims(rows: Iterable[Sequence[Any]]) -> Claims:
    """Rows of (delivery id, recipient, server id, fence, attempts, uncertain, attempt id, stage, servers tried, message
    columns…, why it is suppressed)."""
    claimed: list[Claimed] = []
    damaged: list[Damaged] = []
    for row in rows:
        lease = Lease(row[0], row[6], row[3])
        try:
            message, tried = _message(row[9:-1]), tuple(str(row[8] or "").split())
            was_begun, stopped_by = row[7] == Stage.MESSAGE, row[-1] or ""
            claimed.append(Claimed(lease, _text(row[1]), row[2], row[4], row[5], message, was_begun, tried, stopped_by))
        except (ValueError, TypeError) as error:
            damaged.append(Damaged(lease, str(row[1]), str(row[2]), f"the stored row can't be read: {error}"))
    return Claims(tuple(claimed), tuple(damaged))


def _message(row: Sequence[Any]) -> QueuedMessage:
    id_, message_id, reverse_path, from_header, subject, purpose, digest, size, *flags = row[:10]
    created_at, expires_at, home_id, pinned, content_id, octets, layout = row[10:]
    if not isinstance(size, int):
        raise TypeError("content_size is not a number")
    return QueuedMessage(
        id=_text(id_),
        message_id=_text(message_id),
        reverse_path=_text(reverse_path),
        from_header=_text(from_header),
        subject=_text(subject),
        purpose=_text(purpose),
        content_digest=_text(digest),
        content_size=size,
        content=_content(_text(digest), size, content_id, octets, layout),
        needs_8bit=bool(flags[0]),
        needs_smtputf8=bool(flags[1]),
        created_at=time_of(created_at),
        expires_at=time_of(expires_at),
        home_id=home_id,
        pinned=bool(pinned),
    )


def _content(digest: str, size: int, content_id: int | None, octets: Any, layout: Any) -> FrozenContent | None:
    try:
        return one_file(digest, size) if content_id is None else content_of_row(octets, layout)
    except DamagedBlob:
        return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is missing, {type(value).__name__} is in its place")
    return value


def mark_transacting(connection: sqlite3.Connection, leases: Sequence[Lease]) -> None:
    connection.executemany(
        "UPDATE store_attempt SET stage = 'message' WHERE id = ? AND ended_at IS NULL",
        [(lease.attempt_id,) for lease in leases],
    )


def renew(connection: sqlite3.Connection, leases: Sequence[Lease], lease_until: datetime) -> None:
    connection.executemany(
        "UPDATE store_delivery SET lease_until = ? WHERE id = ? AND fence = ? AND state = 'sending'",
        [(text_of(lease_until), lease.delivery_id, lease.fence) for lease in leases],
    )


def settle(
    connection: sqlite3.Connection,
    settlements: Sequence[Settlement],
    from_states: tuple[DeliveryState, ...],
    tally: Tally,
) -> list[bool]:
    taken = [_settled(connection, s, from_states) for s in settlements]
    tally.count(s for s, was_taken in zip(settlements, taken, strict=True) if was_taken)
    return taken


def _settled(connection: sqlite3.Connection, s: Settlement, from_states: tuple[DeliveryState, ...]) -> bool:
    at = text_of(s.at)
    finding = None if s.finding is None else json.dumps(s.finding)
    marks = ", ".join("?" * len(from_states))
    taken = connection.execute(
        "UPDATE store_delivery SET state = ?, due_at = COALESCE(?, due_at), lease_until = NULL,"
        " uncertain_count = uncertain_count + ?, last_reply = CASE ? WHEN '' THEN last_reply ELSE ? END, cause = ?,"
        " server_id = COALESCE((SELECT id FROM store_smtpserver WHERE id = ?), server_id),"
        f" finding = ?, updated_at = ? WHERE id = ? AND fence = ? AND state IN ({marks})",
        (
            s.state, text_of(s.due_at) if s.due_at else None, int(s.uncertain), s.reply, s.reply, s.cause, s.server_id,
            finding, at, s.lease.delivery_id, s.lease.fence, *from_states,
        ),
    ).rowcount
    if taken and s.lease.attempt_id:
        connection.execute(
            "UPDATE store_attempt SET ended_at = ?, outcome = ?, stage = ?, reply_code = ?, enhanced_code = ?,"
            " reply = ?, cause = ?, finding = ?, moved_to = ? WHERE id = ? AND ended_at IS NULL",
            (
                at, s.outcome, s.stage, s.reply_code, s.enhanced_code, s.reply, s.cause, finding, s.moved_to,
                s.lease.attempt_id,
            ),
        )
    return bool(taken)


def release(connection: sqlite3.Connection, leases: Sequence[Lease], now: datetime) -> None:
    for lease in leases:
        taken = connection.execute(
            "UPDATE store_delivery SET state = CASE WHEN uncertain_count > 0 THEN 'uncertain' WHEN attempt_count > 1"
            " THEN 'deferred' ELSE 'queued' END, attempt_count = attempt_count - 1, lease_until = NULL, updated_at = ?"
            " WHERE id = ? AND fence = ? AND state = 'sending'",
            (text_of(now), lease.delivery_id, lease.fence),
        ).rowcount
        if taken:
            connection.execute("DELETE FROM store_attempt WHERE id = ? AND ended_at IS NULL", (lease.attempt_id,))


def abandoned(connection: sqlite3.Connection, lease_until: datetime | None) -> Claims:
    rows = connection.execute(
        "SELECT d.id, d.recipient, d.server_id, d.fence, d.attempt_count, d.uncertain_count, a.id, a.stage, '',"
        f" {_MESSAGE_COLUMNS} FROM store_delivery d JOIN store_message m ON m.id = d.message_id"
        " LEFT JOIN store_attempt a ON a.delivery_id = d.id AND a.number = d.attempt_count AND a.ended_at IS NULL"
        " WHERE d.state = 'sending' AND (? IS NULL OR d.lease_until IS NULL OR d.lease_until < ?)",
        (None if lease_until is None else text_of(lease_until),) * 2,
    )
    return _claims((*row[:6], row[6] or "", *row[7:]) for row in rows.fetchall())


def overdue(connection: sqlite3.Connection, now: datetime, limit: int) -> list[Overdue]:
    rows = connection.execute(
        "SELECT d.id, d.fence, d.recipient, d.server_id, m.id, m.message_id, m.subject, d.last_reply"
        " FROM store_delivery d JOIN store_message m ON m.id = d.message_id"
        " WHERE d.state IN (?, ?, ?) AND m.expires_at <= ? LIMIT ?",
        (*WAITING_STATES, text_of(now), limit),
    ).fetchall()
    return [Overdue(Lease(row[0], "", row[1]), *row[2:]) for row in rows]


def assign(connection: sqlite3.Connection, server_id: str) -> int:
    return connection.execute(
        "UPDATE store_delivery SET server_id = (SELECT id FROM store_smtpserver WHERE id = ?)"
        " WHERE server_id IS NULL AND state IN (?, ?, ?)"
        " AND NOT (SELECT m.pinned FROM store_message m WHERE m.id = store_delivery.message_id)",
        (server_id, *WAITING_STATES),
    ).rowcount


def pass_on(connection: sqlite3.Connection, server_id: str, to: str, now: datetime, limit: int) -> int:
    at = text_of(now)
    return connection.execute(
        "UPDATE store_delivery SET server_id = ?, updated_at = ? WHERE id IN ("
        "SELECT d.id FROM store_delivery d INDEXED BY delivery_next CROSS JOIN store_message m"
        " WHERE m.id = d.message_id AND d.server_id = ? AND d.state IN ('queued', 'deferred') AND d.due_at <= ?"
        " AND d.uncertain_count = 0 AND NOT m.pinned AND m.expires_at > ?"
        " AND (d.attempt_count = 0 OR NOT EXISTS (SELECT 1 FROM store_attempt t WHERE t.delivery_id = d.id"
        f" AND t.server_id = ? AND {_REFUSED}))"
        " LIMIT ?) AND EXISTS (SELECT 1 FROM store_smtpserver WHERE id = ?)",
        (to, at, server_id, at, at, to, limit, to),
    ).rowcount


class SqliteQueue:
    """The queue in the application's SQLite database; implements `Queue` over a group writer."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer
        self._tally = Tally()
        self._turns = Turns()
        writer.gather(self._tally)

    async def enqueue(self, new: NewMessage) -> Enqueued:
        return await self._done(lambda c: enqueue(c, new))

    async def claim(
        self, server_id: str, *, now: datetime, lease_until: datetime, limit: int, limits: Limits | None = None
    ) -> Claims:
        return await self._done(lambda c: claim(c, server_id, now, lease_until, limit, limits, self._turns))

    async def mark_transacting(self, leases: Sequence[Lease]) -> None:
        await self._done(lambda c: mark_transacting(c, leases))

    async def renew(self, leases: Sequence[Lease], lease_until: datetime) -> None:
        await self._done(lambda c: renew(c, leases, lease_until))

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        return await self._done(lambda c: settle(c, settlements, (DeliveryState.SENDING,), self._tally))

    async def release(
        self, leases: Sequence[Lease], now: datetime, *, server_id: str = "", limits: Limits | None = None,
        messages: int = 0,
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            release(connection, leases, now)
            rates.refund(connection, server_id, limits, messages)

        await self._done(work)

    async def learn(self, server_id: str, sent: Sequence[tuple[datetime, int]], now: datetime) -> None:
        await self._done(lambda c: rates.learn(c, server_id, sent, now))

    async def abandoned(self, now: datetime, *, lease_over: bool) -> Claims:
        return await self._done(lambda c: abandoned(c, now if lease_over else None))

    async def overdue(self, now: datetime, limit: int) -> list[Overdue]:
        return await self._done(lambda c: overdue(c, now, limit))

    async def expire(self, settlements: Sequence[Settlement]) -> list[bool]:
        return await self._done(lambda c: settle(c, settlements, WAITING_STATES, self._tally))

    async def assign(self, server_id: str) -> int:
        return await self._done(lambda c: assign(c, server_id))

    async def pass_on(self, server_id: str, to: str, now: datetime, limit: int) -> int:
        return await self._done(lambda c: pass_on(c, server_id, to, now, limit))

    async def _done(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.wrap_future(self._writer.submit(work))
