"""The group writer on PostgreSQL: what an error says of what is stored (D4), and what engines are to each other."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
import pytest
from tests.outbox import NOW, add_server, new_message, rows

from postroom.store import writer_postgres
from postroom.store.change_postgres import PostgresChange
from postroom.store.outbox_postgres import PostgresOutbox
from postroom.store.queue import Claimed, IdempotencyConflict, NewMessage, Queue, Settlement
from postroom.store.turn import PostgresTurn
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.store.writer_postgres import Connection
from postroom.terms.outcome import DeliveryState

LEASE_END = NOW + timedelta(seconds=60)
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
STORED = "SELECT count(*) FROM store_message"


@pytest.fixture
def database(postgresql_database: str) -> str:
    return postgresql_database


@asynccontextmanager
async def opened(database: str, *engines: str) -> AsyncIterator[list[Queue]]:
    """A queue for each engine, as on as many machines."""
    outboxes = [PostgresOutbox(database, engine) for engine in engines or ("",)]
    try:
        yield [outbox.queue for outbox in outboxes]
    finally:
        for outbox in outboxes:
            await asyncio.to_thread(outbox.close)


def eventually(true: Callable[[], bool]) -> bool:
    for _ in range(500):
        if true():
            return True
        time.sleep(0.01)
    return False


async def claimed(queue: Queue, server_id: str) -> tuple[Claimed, ...]:
    return (await queue.claim(server_id, now=NOW, lease_until=LEASE_END, limit=100)).claimed


async def test_d7_an_engine_takes_up_its_own_leases_at_once_and_those_of_others_when_they_are_over(
    database: str,
) -> None:
    server_id = add_server(database)
    async with opened(database, "mail1/1", "mail2/1", "mail1/1") as (first, other, again):
        await first.enqueue(new_message(server_id))
        (lease,) = await claimed(first, server_id)
        assert (await other.abandoned(NOW, lease_over=False)).claimed == ()
        assert (await again.abandoned(NOW, lease_over=True)).claimed == ()
        assert (await again.abandoned(NOW, lease_over=False)).claimed == (lease,)
        assert (await other.abandoned(LEASE_END + timedelta(seconds=1), lease_over=False)).claimed == (lease,)


async def test_u10_whoever_takes_back_waits_for_a_mark_that_is_being_made(database: str) -> None:
    server_id = add_server(database)
    async with opened(database, "mail1/1", "mail2/1") as (first, other):
        await first.enqueue(new_message(server_id))
        (mine,) = await claimed(first, server_id)
        with psycopg.connect(database) as marking:
            marking.execute("UPDATE store_attempt SET stage = 'message'")
            later = LEASE_END + timedelta(seconds=1)
            taking = asyncio.create_task(other.take_back([mine.lease], later, lease_over=True))
            assert await asyncio.to_thread(eventually, lambda: rows(database, WAITING) != [])
        await taking
        (found,) = (await other.abandoned(later, lease_over=True)).claimed
        assert found.transacting
        assert rows(database, "SELECT count(*) FROM store_attempt") == [(1,)]


async def test_u5_engines_that_claim_at_the_same_time_share_what_waits(database: str) -> None:
    server_id = add_server(database)
    async with opened(database, *(f"mail{n}/1" for n in range(6))) as queues:
        await asyncio.gather(*(queues[n % 6].enqueue(new_message(server_id)) for n in range(300)))
        found: list[str] = []
        while len(found) < 300:
            claims = await asyncio.gather(
                *(queue.claim(server_id, now=NOW, lease_until=LEASE_END, limit=20) for queue in queues)
            )
            found += [c.lease.delivery_id for claim in claims for c in claim.claimed]
    assert len(set(found)) == len(found) == 300
    assert rows(database, "SELECT count(*), min(fence), max(fence) FROM store_delivery") == [(300, 1, 1)]
    assert rows(database, "SELECT count(*) FROM store_attempt") == [(300,)]


async def test_u4_one_key_through_many_processes_at_once_is_one_message(database: str) -> None:
    server_id = add_server(database)

    def message(digest: str = "d") -> NewMessage:
        return new_message(server_id, idempotency_scope="client", idempotency_key="k", request_digest=digest)

    async with opened(database, *[""] * 5) as queues:
        answers = await asyncio.gather(*(queue.enqueue(message()) for queue in queues for _ in range(10)))
        assert len({(answer.id, answer.deliveries) for answer in answers}) == 1
        assert [answer.replayed for answer in answers].count(False) == 1
        with pytest.raises(IdempotencyConflict):
            await queues[0].enqueue(message("other"))
    assert rows(database, STORED) == [(1,)]


async def test_d4_a_commit_that_the_server_did_not_confirm_is_unknown_and_the_next_one_reads_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_id = add_server(database)
    key = {"idempotency_scope": "client", "idempotency_key": "k", "request_digest": "d"}
    commit = writer_postgres._commit

    def cut_off(connection: Connection) -> None:
        commit(connection)
        raise StorageUnknown("the connection broke before the answer")

    async with opened(database) as (queue,):
        monkeypatch.setattr(writer_postgres, "_commit", cut_off)
        with pytest.raises(StorageUnknown):
            await queue.enqueue(new_message(server_id, **key))
        monkeypatch.setattr(writer_postgres, "_commit", commit)
        assert (await queue.enqueue(new_message(server_id, **key))).replayed
    assert rows(database, STORED) == [(1,)]


async def test_d4_a_connection_that_the_server_ends_within_a_transaction_has_written_nothing(database: str) -> None:
    server_id = add_server(database)
    async with opened(database) as (queue,):
        await queue.enqueue(new_message(server_id))
        with psycopg.connect(database) as holder:
            holder.execute("LOCK TABLE store_message")
            late = asyncio.ensure_future(queue.enqueue(new_message(server_id)))
            waiting = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock'"
            )
            assert await asyncio.to_thread(eventually, lambda: bool(rows(database, waiting)))
        with pytest.raises(StorageBusy):
            await late
        await queue.enqueue(new_message(server_id))
    assert rows(database, STORED) == [(2,)]


async def test_a_message_that_can_not_be_stored_stops_no_other_of_its_group(database: str) -> None:
    server_id = add_server(database)
    async with opened(database) as (queue,):
        wrong = new_message(server_id, priority=99_999)
        answers = await asyncio.gather(
            *(queue.enqueue(message) for message in (new_message(server_id), wrong, new_message(server_id))),
            return_exceptions=True,
        )
        assert [isinstance(answer, Exception) for answer in answers] == [False, True, False]
    assert rows(database, STORED) == [(2,)]


async def test_what_others_wrote_with_a_nul_is_stored_with_a_sign_in_its_place(database: str) -> None:
    server_id = add_server(database)
    async with opened(database) as (queue,):
        await queue.enqueue(new_message(server_id, subject="a\0b", metadata={"n\0": ["\0", "\\u0000"]}))
        (lease,) = await claimed(queue, server_id)
        end = Settlement(lease.lease, DeliveryState.FAILED, NOW, outcome="failed", reply="550 \0", finding={"a": "\0"})
        assert await queue.settle([end]) == [True]
    assert rows(database, "SELECT subject, metadata FROM store_message") == [
        ("a\ufffdb", {"n\ufffd": ["\ufffd", "\\u0000"]})
    ]
    assert rows(database, "SELECT last_reply, finding FROM store_delivery") == [("550 \ufffd", {"a": "\ufffd"})]


async def test_listeners_hear_of_messages_and_again_after_their_connection_broke(database: str) -> None:
    server_id = add_server(database)
    change = PostgresChange(database)
    try:
        async with opened(database) as (queue,):
            assert await asyncio.to_thread(eventually, change.has_come)
            await asyncio.sleep(0.3)
            change.has_come()
            await queue.enqueue(new_message(server_id))
            assert await asyncio.to_thread(eventually, change.has_come)
            rows(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
            assert await asyncio.to_thread(eventually, change.has_come)
            change.has_come()
            await queue.enqueue(new_message(server_id))
            assert await asyncio.to_thread(eventually, change.has_come)
    finally:
        change.close()


def test_one_engine_at_a_time_has_the_turn_until_its_connection_is_gone(database: str) -> None:
    first, second = PostgresTurn(database), PostgresTurn(database)
    try:
        assert (first.take(), first.take(), second.take()) == (True, True, False)
        rows(database, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        assert not first.take()
        assert second.take()
        assert not first.take()
        second.close()
        assert eventually(first.take)
    finally:
        first.close()
        second.close()
