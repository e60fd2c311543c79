"""The queue in the application's SQLite database, over a group writer.

What is done for every message is in `enqueue_sqlite`, `claim_sqlite` and `settle_sqlite`, by few statements for all
that a group brings; what is rarely needed is here. All of it runs inside transactions of the group writer.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar, cast

from postroom.terms.outcome import WAITING_STATES, DeliveryState
from postroom.terms.server import Limits

from . import rates
from .claim_sqlite import REFUSED, Claiming, Wanted, abandoned
from .due_sqlite import WAITING
from .enqueue_lists import enqueue_lists
from .enqueue_sqlite import enqueue, enqueue_list, enqueue_one
from .overdue_sqlite import OverdueLook
from .queue import Claims, Enqueued, IdempotencyConflict, Lease, NewMessage, Overdue, Settlement
from .settle_sqlite import Settling, mark_transacting, release, renew, take_back
from .tally import Tally
from .times_sqlite import text_of
from .writer_sqlite import GroupWriter, Kind

T = TypeVar("T")

_ENQUEUE = Kind(write=enqueue, one=enqueue_one, turn=2)
_ENQUEUE_ALL = Kind(write=partial(enqueue_lists, enqueue), one=enqueue_list, turn=2)
_MARK = Kind(write=mark_transacting, one=lambda connection, leases: mark_transacting(connection, [leases])[0])


def assign(connection: sqlite3.Connection, server_id: str) -> int:
    return connection.execute(
        "UPDATE store_delivery AS d INDEXED BY delivery_next SET server_id ="
        f" (SELECT id FROM store_smtpserver WHERE id = ?) WHERE d.server_id IS NULL AND {WAITING}"
        " AND NOT (SELECT m.pinned FROM store_message m WHERE m.id = d.message_id)",
        (server_id,),
    ).rowcount


def pass_on(connection: sqlite3.Connection, server_id: str, to: str, now: datetime, limit: int) -> int:
    at = text_of(now)
    return connection.execute(
        "UPDATE store_delivery SET server_id = ?, updated_at = ? WHERE id IN ("
        "SELECT d.id FROM store_delivery d INDEXED BY delivery_next CROSS JOIN store_message m"
        f" WHERE m.id = d.message_id AND d.server_id = ? AND {WAITING} AND d.state <> 'uncertain' AND d.due_at <= ?"
        " AND d.uncertain_count = 0 AND NOT m.pinned AND m.expires_at > ?"
        " AND (d.attempt_count = 0 OR NOT EXISTS (SELECT 1 FROM store_attempt t WHERE t.delivery_id = d.id"
        f" AND t.server_id = ? AND {REFUSED}))"
        " LIMIT ?) AND EXISTS (SELECT 1 FROM store_smtpserver WHERE id = ?)",
        (to, at, server_id, at, at, to, limit, to),
    ).rowcount


class SqliteQueue:
    """Implements `Queue`."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer
        tally = Tally()
        writer.gather(tally)
        settling, expiring = Settling(tally, DeliveryState.SENDING), Settling(tally, *WAITING_STATES)
        claiming = Claiming()
        self._settle = Kind(write=settling.write, one=settling.one)
        self._expire = Kind(write=expiring.write, one=expiring.one)
        self._claim = Kind(write=claiming.write, one=claiming.one, turn=3)
        self._overdue = OverdueLook()

    def enqueue(self, new: NewMessage) -> "asyncio.Future[Enqueued]":
        return self._writer.post(_ENQUEUE, new)

    def enqueue_all(self, messages: Sequence[NewMessage]) -> "asyncio.Future[list[Enqueued | IdempotencyConflict]]":
        return self._writer.post(_ENQUEUE_ALL, messages)

    async def claim(
        self, server_id: str, *, now: datetime, lease_until: datetime, limit: int, limits: Limits | None = None
    ) -> Claims:
        wanted = Wanted(server_id, now, lease_until, limit, limits)
        return cast(Claims, await self._writer.post(self._claim, wanted))

    async def mark_transacting(self, leases: Sequence[Lease]) -> list[bool]:
        return cast(list[bool], await self._writer.post(_MARK, leases))

    async def renew(self, leases: Sequence[Lease], lease_until: datetime) -> None:
        await self._done(lambda c: renew(c, leases, lease_until))

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        return cast(list[bool], await self._writer.post(self._settle, settlements))

    async def release(
        self, leases: Sequence[Lease], now: datetime, *, server_id: str = "", limits: Limits | None = None,
        messages: int = 0,
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            release(connection, leases, now)
            rates.refund(connection, server_id, limits, messages)

        await self._done(work)

    async def take_back(self, leases: Sequence[Lease], now: datetime, *, lease_over: bool) -> None:
        await self._done(lambda c: take_back(c, leases, now, now if lease_over else None))

    async def learn(self, server_id: str, sent: Sequence[tuple[datetime, int]], now: datetime) -> None:
        await self._done(lambda c: rates.learn(c, server_id, sent, now))

    async def abandoned(self, now: datetime, *, lease_over: bool) -> Claims:
        return await self._done(lambda c: abandoned(c, now if lease_over else None))

    async def overdue(self, now: datetime, limit: int) -> list[Overdue]:
        return await self._done(lambda c: self._overdue.found(c, now, limit))

    async def expire(self, settlements: Sequence[Settlement]) -> list[bool]:
        return cast(list[bool], await self._writer.post(self._expire, settlements))

    async def assign(self, server_id: str) -> int:
        return await self._done(lambda c: assign(c, server_id))

    async def pass_on(self, server_id: str, to: str, now: datetime, limit: int) -> int:
        return await self._done(lambda c: pass_on(c, server_id, to, now, limit))

    async def _done(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.wrap_future(self._writer.submit(work))
