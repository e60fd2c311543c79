"""The queue's statements on PostgreSQL; `enqueue_postgres` and `claim_postgres` have those of their names.

Each function writes one kind of work for a whole group, inside a transaction of the group writer; other engines do the
same beside it. Rows are told apart by their state and fence, which every statement looks at when it changes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any, cast

from postroom.terms.outcome import DeliveryState
from postroom.terms.server import Limits

from . import rates_postgres
from .claim_postgres import LEFT_BEHIND, REFUSED, WAITING, Left, Wanted, abandoned, claim
from .enqueue_lists import enqueue_lists
from .enqueue_postgres import enqueue
from .postgresql.texts import json_text, without_nul
from .queue import Claims, Enqueued, IdempotencyConflict, Lease, NewMessage, Overdue, Settlement
from .tally import Tally
from .turns import Turns
from .writer_postgres import Connection, Kind, PostgresWriter

_MARK = "UPDATE store_attempt SET stage = 'message' WHERE id = ANY(%s) AND ended_at IS NULL RETURNING id"
_RENEW = (
    "UPDATE store_delivery d SET lease_until = given.lease_until"
    " FROM unnest(%s::text[], %s::bigint[], %s::timestamptz[]) AS given(id, fence, lease_until)"
    " WHERE d.id = given.id AND d.fence = given.fence AND d.state = 'sending'"
)
_RELEASE = (
    "WITH taken AS (UPDATE store_delivery d SET state = CASE WHEN d.uncertain_count > 0 THEN 'uncertain'"
    " WHEN d.attempt_count > 1 THEN 'deferred' ELSE 'queued' END, attempt_count = d.attempt_count - 1,"
    " lease_until = NULL, lease_holder = NULL, updated_at = given.at"
    " FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::timestamptz[]) AS given(id, fence, attempt_id, at)"
    " WHERE d.id = given.id AND d.fence = given.fence AND d.state = 'sending' RETURNING given.attempt_id)"
    " DELETE FROM store_attempt a USING taken WHERE a.id = taken.attempt_id AND a.ended_at IS NULL"
)
# Locks what it finds, in the order of `_SETTLE`: a mark that is under way is waited for, and none is made any more.
_UNTRIED = (
    "SELECT given.place FROM unnest(%s::text[], %s::bigint[], %s::text[]) WITH ORDINALITY"
    " AS given(id, fence, attempt_id, place)"
    " JOIN store_delivery d ON d.id = given.id AND d.fence = given.fence AND d.state = 'sending'"
    f" JOIN store_attempt a ON a.id = given.attempt_id AND a.stage = '' WHERE {LEFT_BEHIND} FOR UPDATE OF d, a"
)
# Columns of a settlement in the order of `_row`, with their types.
_SETTLEMENT = (
    ("id", "text"), ("fence", "bigint"), ("attempt_id", "text"), ("state", "text"), ("due_at", "timestamptz"),
    ("uncertain", "int"), ("reply", "text"), ("cause", "text"), ("server_id", "text"), ("finding", "text"),
    ("at", "timestamptz"), ("outcome", "text"), ("stage", "text"), ("reply_code", "smallint"),
    ("enhanced_code", "text"), ("moved_to", "text"),
)
_SETTLE = (
    f"WITH given AS (SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for _, kind in _SETTLEMENT)})"
    f" WITH ORDINALITY AS given({', '.join(name for name, _ in _SETTLEMENT)}, place)),"
    " taken AS (UPDATE store_delivery d SET state = given.state, due_at = COALESCE(given.due_at, d.due_at),"
    " lease_until = NULL, lease_holder = NULL, uncertain_count = d.uncertain_count + given.uncertain,"
    " last_reply = CASE given.reply WHEN '' THEN d.last_reply ELSE given.reply END, cause = given.cause,"
    " server_id = COALESCE((SELECT s.id FROM store_smtpserver s WHERE s.id = given.server_id), d.server_id),"
    " finding = given.finding::jsonb, updated_at = given.at FROM given"
    " WHERE d.id = given.id AND d.fence = given.fence AND d.state = ANY(%s) RETURNING given.place),"
    " ended AS (UPDATE store_attempt a SET ended_at = given.at, outcome = given.outcome, stage = given.stage,"
    " reply_code = given.reply_code, enhanced_code = given.enhanced_code, reply = given.reply, cause = given.cause,"
    " finding = given.finding::jsonb, moved_to = given.moved_to FROM given JOIN taken ON taken.place = given.place"
    " WHERE a.id = given.attempt_id AND a.ended_at IS NULL)"
    " SELECT place FROM taken"
)
_COUNT = (
    "INSERT INTO store_deliverytally (width_s, starts_at, server_id, outcome, cause, attempts)"
    " SELECT width_s, to_timestamp(starts_s), server_id, outcome, cause, attempts"
    " FROM unnest(%s::int[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::int[])"
    " AS given(width_s, starts_s, server_id, outcome, cause, attempts)"
    " ON CONFLICT (width_s, starts_at, server_id, outcome, cause)"
    " DO UPDATE SET attempts = store_deliverytally.attempts + excluded.attempts"
)
_COUNT_TOTALS = (
    "INSERT INTO store_attempttotal (server_id, outcome, cause, bucket, attempts, seconds)"
    " SELECT server_id, outcome, cause, bucket, attempts, seconds"
    " FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::float[])"
    " AS given(server_id, outcome, cause, bucket, attempts, seconds)"
    " ON CONFLICT (server_id, outcome, cause, bucket) DO UPDATE SET"
    " attempts = store_attempttotal.attempts + excluded.attempts,"
    " seconds = store_attempttotal.seconds + excluded.seconds"
)
_OVERDUE = (
    "SELECT d.id, d.fence, d.recipient, d.server_id, m.id, m.message_id, m.subject, d.last_reply"
    " FROM store_delivery d JOIN store_message m ON m.id = d.message_id"
    f" WHERE d.state IN ({WAITING}) AND m.expires_at <= %s ORDER BY d.id LIMIT %s"
)
_ASSIGN = (
    "UPDATE store_delivery d SET server_id = s.id FROM store_smtpserver s, store_message m"
    f" WHERE s.id = %s AND m.id = d.message_id AND d.server_id IS NULL AND d.state IN ({WAITING}) AND NOT m.pinned"
)
_PASS_ON = (
    "UPDATE store_delivery SET server_id = s.id, updated_at = %s FROM store_smtpserver s WHERE s.id = %s"
    " AND store_delivery.id IN (SELECT d.id FROM store_delivery d JOIN store_message m ON m.id = d.message_id"
    " WHERE d.server_id = %s AND d.state IN ('queued', 'deferred') AND d.due_at <= %s AND d.uncertain_count = 0"
    " AND NOT m.pinned AND m.expires_at > %s AND (d.attempt_count = 0 OR NOT EXISTS (SELECT 1 FROM store_attempt t"
    f" WHERE t.delivery_id = d.id AND t.server_id = %s AND {REFUSED}))"
    " ORDER BY d.id LIMIT %s FOR UPDATE OF d SKIP LOCKED)"
)


@dataclass(frozen=True, slots=True)
class Released:
    """What is given back; `messages` no longer count against the rates of the server's `limits`."""

    leases: Sequence[Lease]
    now: datetime
    server_id: str = ""
    limits: Limits | None = None
    messages: int = 0


def mark_transacting(connection: Connection, leases: list[Sequence[Lease]]) -> list[list[bool]]:
    rows = connection.execute(_MARK, ([lease.attempt_id for each in leases for lease in each],))
    marked = {id_ for (id_,) in rows}
    return [[lease.attempt_id in marked for lease in each] for each in leases]


def renew(connection: Connection, asked: list[tuple[Sequence[Lease], datetime]]) -> Sequence[None]:
    rows = [(lease.delivery_id, lease.fence, until) for leases, until in asked for lease in leases]
    if rows:
        connection.execute(_RENEW, _columns(rows))
    return [None] * len(asked)


def release(connection: Connection, asked: list[Released]) -> Sequence[None]:
    rows = [(lease.delivery_id, lease.fence, lease.attempt_id, each.now) for each in asked for lease in each.leases]
    if rows:
        connection.execute(_RELEASE, _columns(rows))
    for each in sorted(asked, key=lambda each: each.server_id):
        rates_postgres.refund(connection, each.server_id, each.limits, each.messages)
    return [None] * len(asked)


def take_back(connection: Connection, asked: list[tuple[Sequence[Lease], Left]]) -> Sequence[None]:
    for leases, left in filter(itemgetter(0), asked):
        given = _columns([(lease.delivery_id, lease.fence, lease.attempt_id) for lease in leases])
        untried = connection.execute(_UNTRIED, (*given, left.now, left.holder)).fetchall()
        release(connection, [Released([leases[place - 1] for (place,) in untried], left.now)])
    return [None] * len(asked)


def learn(connection: Connection, asked: list[tuple[str, Sequence[tuple[datetime, int]], datetime]]) -> Sequence[None]:
    for server_id, sent, now in sorted(asked, key=lambda each: each[0]):
        rates_postgres.learn(connection, server_id, sent, now)
    return [None] * len(asked)


def settle(connection: Connection, asked: list[Sequence[Settlement]]) -> list[list[bool]]:
    return _settled(connection, asked, [DeliveryState.SENDING.value])


def expire(connection: Connection, asked: list[Sequence[Settlement]]) -> list[list[bool]]:
    states = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN)
    return _settled(connection, asked, [state.value for state in states])


def _settled(connection: Connection, asked: list[Sequence[Settlement]], states: list[str]) -> list[list[bool]]:
    """Which were taken; of two under one lease only the first one can be."""
    flat = [settlement for each in asked for settlement in each]
    first: dict[tuple[str, int], int] = {}
    for place, s in enumerate(flat):
        first.setdefault((s.lease.delivery_id, s.lease.fence), place)
    chosen = sorted(first.values())
    taken: set[int] = set()
    if chosen:
        rows = connection.execute(_SETTLE, (*_columns([_row(flat[place]) for place in chosen]), states))
        taken = {chosen[number - 1] for (number,) in rows.fetchall()}
        _count(connection, [flat[place] for place in sorted(taken)])
    answers = iter(place in taken for place in range(len(flat)))
    return [[next(answers) for _ in each] for each in asked]


def _row(s: Settlement) -> tuple[Any, ...]:
    return (
        s.lease.delivery_id, s.lease.fence, s.lease.attempt_id, s.state.value, s.due_at, int(s.uncertain),
        without_nul(s.reply), s.cause, s.server_id, None if s.finding is None else json_text(s.finding), s.at,
        str(s.outcome), str(s.stage), s.reply_code, s.enhanced_code, s.moved_to,
    )


def _count(connection: Connection, taken: Sequence[Settlement]) -> None:
    tally = Tally()
    tally.count(taken)
    # In order, so that two engines that count the same do not wait for each other.
    if cells := sorted(tally.cells()):
        connection.execute(_COUNT, _columns(cells))
        connection.execute(_COUNT_TOTALS, _columns(sorted(tally.totals())))


def overdue(connection: Connection, asked: list[tuple[datetime, int]]) -> list[list[Overdue]]:
    return [
        [Overdue(Lease(row[0], "", row[1]), *row[2:]) for row in connection.execute(_OVERDUE, each)] for each in asked
    ]


def assign(connection: Connection, server_ids: list[str]) -> list[int]:
    return [connection.execute(_ASSIGN, (server_id,)).rowcount for server_id in server_ids]


def pass_on(connection: Connection, asked: list[tuple[str, str, datetime, int]]) -> list[int]:
    return [
        connection.execute(_PASS_ON, (now, to, server_id, now, now, to, limit)).rowcount
        for server_id, to, now, limit in asked
    ]


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


ENQUEUE, ENQUEUE_ALL = Kind(enqueue, tells=True), Kind(partial(enqueue_lists, enqueue), tells=True)
CLAIM, MARK, RENEW = Kind(claim), Kind(mark_transacting), Kind(renew)
SETTLE, EXPIRE = Kind(settle, is_last=True), Kind(expire, is_last=True)
RELEASE, TAKE_BACK = Kind(release, tells=True), Kind(take_back, tells=True, is_last=True)
ABANDONED, OVERDUE, LEARN = Kind(abandoned), Kind(overdue), Kind(learn)
ASSIGN, PASS_ON = Kind(assign, tells=True), Kind(pass_on, tells=True)


class PostgresQueue:
    """The queue in a PostgreSQL database that several engines share; implements `Queue` over a group writer.

    `holder` is the name of the engine that claims: what an earlier life of it left under lease is its own."""

    def __init__(self, writer: PostgresWriter, holder: str = "") -> None:
        self._writer = writer
        self._holder = holder
        self._turns = Turns()

    async def enqueue(self, new: NewMessage) -> Enqueued:
        return cast(Enqueued, await self._writer.post(ENQUEUE, new))

    async def enqueue_all(self, messages: Sequence[NewMessage]) -> list[Enqueued | IdempotencyConflict]:
        return cast(list[Enqueued | IdempotencyConflict], await self._writer.post(ENQUEUE_ALL, messages))

    async def claim(
        self, server_id: str, *, now: datetime, lease_until: datetime, limit: int, limits: Limits | None = None
    ) -> Claims:
        wanted = Wanted(server_id, now, lease_until, limit, self._holder, limits, self._turns)
        return cast(Claims, await self._writer.post(CLAIM, wanted))

    async def mark_transacting(self, leases: Sequence[Lease]) -> list[bool]:
        return cast(list[bool], await self._writer.post(MARK, leases))

    async def renew(self, leases: Sequence[Lease], lease_until: datetime) -> None:
        await self._writer.post(RENEW, (leases, lease_until))

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        return cast(list[bool], await self._writer.post(SETTLE, settlements))

    async def release(
        self, leases: Sequence[Lease], now: datetime, *, server_id: str = "", limits: Limits | None = None,
        messages: int = 0,
    ) -> None:
        await self._writer.post(RELEASE, Released(leases, now, server_id, limits, messages))

    async def take_back(self, leases: Sequence[Lease], now: datetime, *, lease_over: bool) -> None:
        await self._writer.post(TAKE_BACK, (leases, self._left(now, lease_over)))

    async def learn(self, server_id: str, sent: Sequence[tuple[datetime, int]], now: datetime) -> None:
        await self._writer.post(LEARN, (server_id, sent, now))

    async def abandoned(self, now: datetime, *, lease_over: bool) -> Claims:
        return cast(Claims, await self._writer.post(ABANDONED, self._left(now, lease_over)))

    def _left(self, now: datetime, lease_over: bool) -> Left:
        return Left(now, None if lease_over else self._holder)

    async def overdue(self, now: datetime, limit: int) -> list[Overdue]:
        return cast(list[Overdue], await self._writer.post(OVERDUE, (now, limit)))

    async def expire(self, settlements: Sequence[Settlement]) -> list[bool]:
        return cast(list[bool], await self._writer.post(EXPIRE, settlements))

    async def assign(self, server_id: str) -> int:
        return cast(int, await self._writer.post(ASSIGN, server_id))

    async def pass_on(self, server_id: str, to: str, now: datetime, limit: int) -> int:
        return cast(int, await self._writer.post(PASS_ON, (server_id, to, now, limit)))
