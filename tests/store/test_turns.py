"""Who is claimed first: the higher priority, then each client and purpose in turn; asked of both databases."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from tests.outbox import NOW, Database, add_server, new_message, rows

from postroom.store.claim_sqlite import Claiming, Wanted
from postroom.store.enqueue_sqlite import enqueue
from postroom.store.queue import Queue
from postroom.store.writer_sqlite import connect


async def claim(queue: Queue, server_id: str, limit: int, now: Any = NOW) -> list[str]:
    claims = await queue.claim(server_id, now=now, lease_until=now + timedelta(seconds=60), limit=limit)
    return [claimed.recipient for claimed in claims.claimed]


async def hand_in(queue: Queue, server_id: str, client: str, count: int, **values: Any) -> None:
    name = values.pop("name", client)
    new = [
        new_message(server_id, f"{name}{number}@example.org", idempotency_scope=client, **values)
        for number in range(count)
    ]
    await asyncio.gather(*map(queue.enqueue, new))


async def test_a_password_reset_never_waits_behind_ten_thousand_reports(queue: Queue, server_id: str) -> None:
    await hand_in(queue, server_id, "reports", 10_000, purpose="report", now=NOW - timedelta(hours=1))
    await hand_in(queue, server_id, "portal", 1, name="reset")
    assert "reset0@example.org" in await claim(queue, server_id, 2)


async def test_the_reports_of_a_client_do_not_hold_up_its_own_password_reset(queue: Queue, server_id: str) -> None:
    await hand_in(queue, server_id, "portal", 500, purpose="report", now=NOW - timedelta(hours=1))
    await hand_in(queue, server_id, "portal", 1, name="reset")
    assert "reset0@example.org" in await claim(queue, server_id, 2)


async def test_a_higher_priority_goes_first_whoever_asks(queue: Queue, server_id: str) -> None:
    await hand_in(queue, server_id, "one", 30, now=NOW - timedelta(hours=1))
    await hand_in(queue, server_id, "two", 5, priority=3)
    assert {recipient[:3] for recipient in await claim(queue, server_id, 5)} == {"two"}


async def test_clients_are_served_in_turns_however_much_one_of_them_has(queue: Queue, server_id: str) -> None:
    await hand_in(queue, server_id, "large", 1_000, now=NOW - timedelta(hours=1))
    await hand_in(queue, server_id, "middle", 20)
    await hand_in(queue, server_id, "small", 3)
    served = Counter(recipient[0] for recipient in await claim(queue, server_id, 12))
    assert served["s"] == 3
    assert sorted((served["l"], served["m"])) == [4, 5]


async def test_one_message_at_a_time_is_claimed_in_turns_too(queue: Queue, server_id: str) -> None:
    for client in ("a", "b", "c"):
        await hand_in(queue, server_id, client, 10)
    order = [(await claim(queue, server_id, 1))[0][0] for _ in range(9)]
    assert Counter(order) == {"a": 3, "b": 3, "c": 3}
    assert {*order[:3]} == {*order[3:6]} == {"a", "b", "c"}


async def test_more_clients_than_a_claim_has_room_for_are_all_served(queue: Queue, server_id: str) -> None:
    for number in range(30):
        await hand_in(queue, server_id, f"client{number:02}", 2)
    served = {recipient for _ in range(3) for recipient in await claim(queue, server_id, 10)}
    assert len({recipient[:8] for recipient in served}) == 30


async def test_of_one_client_what_was_due_first_goes_first_in_whatever_state(
    queue: Queue, server_id: str, database: Database
) -> None:
    for number, state in enumerate(("queued", "deferred", "uncertain", "queued")):
        await hand_in(queue, server_id, "one", 1, name=f"{number}-", now=NOW - timedelta(minutes=10 - number))
        rows(database, "UPDATE store_delivery SET state = ? WHERE recipient = ?", state, f"{number}-0@example.org")
    assert [recipient[0] for recipient in await claim(queue, server_id, 10)] == ["0", "1", "2", "3"]


async def test_recipients_of_a_message_stay_together_among_others(queue: Queue, server_id: str) -> None:
    many = [f"r{number}@example.org" for number in range(5)]
    await queue.enqueue(new_message(server_id, *many, idempotency_scope="one"))
    await hand_in(queue, server_id, "two", 2)
    claimed = await claim(queue, server_id, 2)
    assert len(claimed) == 6
    start = claimed.index("r0@example.org")
    assert claimed[start:start + 5] == many


async def test_what_is_due_later_or_has_expired_is_passed_by(queue: Queue, server_id: str) -> None:
    await hand_in(queue, server_id, "one", 3, priority=5, send_at=NOW + timedelta(hours=1))
    await hand_in(queue, server_id, "two", 1, priority=5, expires_at=NOW - timedelta(seconds=1), name="gone")
    await hand_in(queue, server_id, "three", 1)
    assert await claim(queue, server_id, 10) == ["three0@example.org"]
    assert len(await claim(queue, server_id, 10, NOW + timedelta(hours=2))) == 3


def test_mail_that_is_due_later_costs_a_claim_nothing(sqlite_database: Any) -> None:
    """Steps of the database's machine, not time: the same with ten scheduled messages and with three thousand."""
    def steps(scheduled: int) -> int:
        server_id = add_server(sqlite_database, name=f"Relay {scheduled}", is_default=False)
        connection, counted = connect(sqlite_database), 0

        def count() -> int:
            nonlocal counted
            counted += 1
            return 0

        connection.execute("BEGIN")
        for number in range(scheduled):
            at = NOW + timedelta(hours=1)
            enqueue(connection, [new_message(server_id, f"r{number}@example.org", send_at=at, priority=9)])
        enqueue(connection, [new_message(server_id)])
        connection.set_progress_handler(count, 1)
        claimed = Claiming().one(connection, Wanted(server_id, NOW, NOW, 5, None)).claimed
        connection.set_progress_handler(None, 1)
        connection.execute("COMMIT")
        connection.close()
        assert len(claimed) == 1
        return counted

    assert steps(3_000) <= steps(10) * 1.2
