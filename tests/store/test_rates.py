"""A server's rates hold in the claims, across processes, and what was not tried is given back; on both databases."""

import asyncio
from datetime import datetime, timedelta

from tests.outbox import NOW, Database, add_server, new_message, rows

from postroom.policy.rate import DAY_US, QUARTER_US
from postroom.store.outbox_postgres import PostgresOutbox
from postroom.store.queue import Claims, Queue
from postroom.terms.server import Limits


async def fill(queue: Queue, server_id: str, count: int, *recipients: str) -> None:
    await asyncio.gather(*(queue.enqueue(new_message(server_id, *recipients)) for _ in range(count)))


async def claim(
    queue: Queue, server_id: str, limits: Limits | None, now: datetime = NOW, limit: int = 100
) -> Claims:
    return await queue.claim(server_id, now=now, lease_until=now + timedelta(hours=9), limit=limit, limits=limits)


async def test_a_rate_lets_one_message_through_and_says_when_the_next_may_follow(queue: Queue, server_id: str) -> None:
    limits = Limits(messages_per_minute=30)
    await fill(queue, server_id, 5)
    first = await claim(queue, server_id, limits)
    assert (len(first.claimed), first.next_at, first.held_by) == (
        1, NOW + timedelta(seconds=2), "messages_per_minute"
    )
    early = await claim(queue, server_id, limits, NOW + timedelta(seconds=1.9))
    assert (early.claimed, early.next_at) == ((), first.next_at)
    assert len((await claim(queue, server_id, limits, NOW + timedelta(seconds=2))).claimed) == 1


async def test_a_limit_per_day_holds_until_its_first_messages_are_a_day_old(queue: Queue, server_id: str) -> None:
    limits = Limits(messages_per_day=3)
    await fill(queue, server_id, 5)
    claims = await claim(queue, server_id, limits)
    assert (len(claims.claimed), claims.held_by) == (3, "messages_per_day")
    assert claims.next_at is not None
    day, quarter = timedelta(microseconds=DAY_US), timedelta(microseconds=QUARTER_US)
    assert day < claims.next_at - NOW <= day + quarter
    assert len((await claim(queue, server_id, limits, claims.next_at)).claimed) == 2


async def test_a_message_counts_once_for_each_transaction_that_it_takes(queue: Queue, server_id: str) -> None:
    limits = Limits(messages_per_day=4, recipients_per_message=2)
    await fill(queue, server_id, 3, *(f"r{number}@example.org" for number in range(3)))
    assert len((await claim(queue, server_id, limits)).claimed) == 6
    assert (await claim(queue, server_id, limits)).claimed == ()


async def test_what_was_claimed_and_not_tried_is_given_back(queue: Queue, server_id: str) -> None:
    limits = Limits(messages_per_day=2)
    await fill(queue, server_id, 3)
    claimed = (await claim(queue, server_id, limits)).claimed
    await queue.release([claimed[1].lease], NOW, server_id=server_id, limits=limits, messages=1)
    assert len((await claim(queue, server_id, limits)).claimed) == 1


async def test_what_left_before_there_was_a_limit_counts_once_however_often_told(
    queue: Queue, server_id: str
) -> None:
    limits = Limits(messages_per_day=10)
    await fill(queue, server_id, 20)
    sent = [(NOW - timedelta(hours=5), 4), (NOW - timedelta(hours=1), 3)]
    await queue.learn(server_id, sent, NOW)
    await queue.learn(server_id, sent, NOW)
    assert len((await claim(queue, server_id, limits)).claimed) == 3


async def test_a_server_without_a_rate_has_no_row_and_no_bound(
    queue: Queue, server_id: str, database: Database
) -> None:
    await fill(queue, server_id, 20)
    claims = await claim(queue, server_id, Limits(connections=2))
    assert (len(claims.claimed), claims.next_at, claims.held_by) == (20, None, "")
    assert rows(database, "SELECT count(*) FROM store_sendrate") == [(0,)]


async def test_a_row_that_cannot_be_read_stops_no_mail(queue: Queue, server_id: str, database: Database) -> None:
    limits = Limits(messages_per_minute=60)
    await fill(queue, server_id, 2)
    await claim(queue, server_id, limits)
    rows(database, "UPDATE store_sendrate SET quarters = 'x'")
    assert len((await claim(queue, server_id, limits, NOW + timedelta(seconds=1))).claimed) == 1


async def test_eight_engines_on_one_database_keep_a_rate_together_within_two_percent(
    postgresql_database: str,
) -> None:
    """Each engine asks at every quarter of a second of two minutes, by the clock that they share."""
    server_id = add_server(postgresql_database)
    engines = [PostgresOutbox(postgresql_database, f"host/{number}") for number in range(8)]
    limits, moments = Limits(messages_per_minute=600), [NOW + timedelta(seconds=n / 4) for n in range(481)]
    try:
        for _ in range(3):
            await fill(engines[0].queue, server_id, 500)
        at: list[datetime] = []
        for now in moments:
            claims = await asyncio.gather(*(claim(engine.queue, server_id, limits, now, 20) for engine in engines))
            at += [now] * sum(len(found.claimed) for found in claims)
    finally:
        for engine in engines:
            engine.close()
    windows = [sum(1 for each in at if start <= each < start + timedelta(minutes=1)) for start in moments[:240:8]]
    assert max(windows) <= 600
    assert min(windows) >= 600 * 0.98
