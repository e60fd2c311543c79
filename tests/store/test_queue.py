"""The queue's contract, asked of both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.outbox import NOW, Database, add_server, new_message, rows

from postroom.store.claim_sqlite import Claiming, Wanted
from postroom.store.content import FrozenContent
from postroom.store.database import conninfo, is_postgresql, sqlite_file
from postroom.store.enqueue_sqlite import enqueue
from postroom.store.models import Attempt, Delivery
from postroom.store.outbox import SqliteOutbox, open_outbox
from postroom.store.queue import Claimed, IdempotencyConflict, Lease, Queue, Settlement
from postroom.store.times_sqlite import text_of, time_of
from postroom.store.writer_sqlite import connect
from postroom.terms.outcome import DeliveryState
from postroom.terms.server import ServerSettings

LEASE_END = NOW + timedelta(seconds=60)


async def claimed_by(
    queue: Queue, server_id: str, *, after_s: float = 0, limit: int = 100
) -> tuple[Claimed, ...]:
    now = NOW + timedelta(seconds=after_s)
    return (await queue.claim(server_id, now=now, lease_until=now + timedelta(seconds=60), limit=limit)).claimed


def sent(lease: Lease) -> Settlement:
    return Settlement(lease, DeliveryState.SENT, NOW, outcome="sent", stage="message", reply_code=250, reply="250 ok")


async def test_a_message_becomes_one_delivery_for_each_recipient(queue: Queue, server_id: str) -> None:
    enqueued = await queue.enqueue(new_message(server_id, "ann@example.org", "bob@example.org"))
    claimed = await claimed_by(queue, server_id)
    assert [(c.lease.delivery_id, c.recipient) for c in claimed] == list(enqueued.deliveries)
    assert {c.message.id for c in claimed} == {enqueued.id}


async def test_a_claim_records_the_attempt_and_the_lease_in_its_own_commit(
    queue: Queue, server_id: str, database: Database
) -> None:
    await queue.enqueue(new_message(server_id))
    (claimed,) = await claimed_by(queue, server_id)
    assert rows(database, "SELECT state, lease_until, attempt_count, fence FROM store_delivery") == [
        ("sending", text_of(LEASE_END), 1, 1)
    ]
    assert rows(database, "SELECT id, number, server_name, started_at, ended_at FROM store_attempt") == [
        (claimed.lease.attempt_id, 1, "Relay", text_of(NOW), None)
    ]


async def test_no_delivery_is_claimed_twice_however_many_ask(queue: Queue, server_id: str) -> None:
    await asyncio.gather(*(queue.enqueue(new_message(server_id)) for _ in range(100)))
    claims = await asyncio.gather(*(claimed_by(queue, server_id, limit=20) for _ in range(8)))
    ids = [c.lease.delivery_id for claim in claims for c in claim]
    assert len(ids) == len(set(ids)) == 100


async def test_a_late_settlement_is_refused_by_the_fence_of_a_newer_attempt(
    queue: Queue, server_id: str, database: Database
) -> None:
    await queue.enqueue(new_message(server_id))
    (first,) = await claimed_by(queue, server_id)
    deferred = Settlement(first.lease, DeliveryState.DEFERRED, NOW, due_at=NOW, outcome="deferred")
    assert await queue.settle([deferred]) == [True]
    (second,) = await claimed_by(queue, server_id)
    assert await queue.settle([sent(first.lease)]) == [False]
    assert rows(database, "SELECT state, fence FROM store_delivery") == [("sending", second.lease.fence)]
    assert await queue.settle([sent(second.lease)]) == [True]
    assert rows(database, "SELECT outcome FROM store_attempt ORDER BY number") == [("deferred",), ("sent",)]


async def test_an_abandoned_lease_shows_up_and_can_be_settled_and_tried_again(
    queue: Queue, server_id: str, database: Database
) -> None:
    await queue.enqueue(new_message(server_id))
    (claimed,) = await claimed_by(queue, server_id)
    assert not (await queue.abandoned(LEASE_END - timedelta(seconds=1), lease_over=True)).claimed
    (found,) = (await queue.abandoned(LEASE_END + timedelta(seconds=1), lease_over=True)).claimed
    assert found == claimed
    lost = Settlement(found.lease, DeliveryState.UNCERTAIN, LEASE_END, LEASE_END, outcome="uncertain", uncertain=True)
    assert await queue.settle([lost]) == [True]
    (again,) = await claimed_by(queue, server_id, after_s=61)
    assert (again.attempt_count, again.uncertain_count) == (2, 1)
    assert rows(database, "SELECT count(*) FROM store_delivery") == [(1,)]


async def test_what_left_for_the_server_is_marked_before_and_read_with_the_abandoned(
    queue: Queue, server_id: str
) -> None:
    await queue.enqueue(new_message(server_id, "ann@example.org", "bob@example.org"))
    ann, bob = await claimed_by(queue, server_id)
    assert await queue.mark_transacting([ann.lease]) == [True]
    found = await queue.abandoned(NOW, lease_over=False)
    assert set(found.claimed) == {replace(ann, transacting=True), bob}
    await queue.release([bob.lease], NOW)
    assert await queue.mark_transacting([bob.lease, ann.lease]) == [False, True], "nothing leaves without a lease"


async def test_what_was_abandoned_is_read_without_its_contents(queue: Queue, server_id: str) -> None:
    """Of a message to thousands they would be read thousands of times, and nothing of them leaves."""
    content = FrozenContent((b"Subject: Monday\r\n\r\n",))
    await queue.enqueue(new_message(server_id, "ann@example.org", "bob@example.org", content=content))
    claimed = await claimed_by(queue, server_id)
    assert {c.message.content for c in claimed} == {content}
    found = await queue.abandoned(NOW, lease_over=False)
    assert found.claimed == tuple(replace(c, message=replace(c.message, content=None)) for c in claimed)


async def test_a_renewed_lease_is_not_abandoned(queue: Queue, server_id: str) -> None:
    await queue.enqueue(new_message(server_id))
    (claimed,) = await claimed_by(queue, server_id)
    await queue.renew([claimed.lease], LEASE_END + timedelta(seconds=60))
    assert not (await queue.abandoned(LEASE_END + timedelta(seconds=1), lease_over=True)).claimed


async def test_released_deliveries_are_due_again_and_count_no_attempt(
    queue: Queue, server_id: str, database: Database
) -> None:
    await queue.enqueue(new_message(server_id))
    (claimed,) = await claimed_by(queue, server_id)
    await queue.release([claimed.lease], NOW)
    assert rows(database, "SELECT state, attempt_count, lease_until FROM store_delivery") == [("queued", 0, None)]
    assert rows(database, "SELECT count(*) FROM store_attempt") == [(0,)]
    (again,) = await claimed_by(queue, server_id)
    assert again.lease.fence == claimed.lease.fence + 1


async def test_u10_what_was_abandoned_untried_is_given_back_unless_it_was_marked_or_renewed_meanwhile(
    queue: Queue, server_id: str, database: Database
) -> None:
    await queue.enqueue(new_message(server_id, "left@example.org", "kept@example.org", "untried@example.org"))
    later = LEASE_END + timedelta(seconds=1)
    await claimed_by(queue, server_id)
    left, kept, untried = (c.lease for c in (await queue.abandoned(later, lease_over=True)).claimed)
    assert await queue.mark_transacting([left]) == [True]
    await queue.renew([kept], later + timedelta(seconds=60))
    await queue.take_back([left, kept, untried], later, lease_over=True)
    await queue.take_back([], later, lease_over=True)
    assert rows(database, "SELECT recipient, state, attempt_count FROM store_delivery ORDER BY id") == [
        ("left@example.org", "sending", 1), ("kept@example.org", "sending", 1), ("untried@example.org", "queued", 0)
    ]
    assert await queue.mark_transacting([kept, untried]) == [True, False]


async def test_u1_of_a_delivery_whose_attempt_is_gone_nobody_knows_that_nothing_has_left(
    queue: Queue, server_id: str, database: Database
) -> None:
    await queue.enqueue(new_message(server_id))
    await claimed_by(queue, server_id)
    rows(database, "DELETE FROM store_attempt")
    (found,) = (await queue.abandoned(NOW, lease_over=False)).claimed
    assert found.transacting
    assert await queue.settle([Settlement(found.lease, DeliveryState.HELD, NOW, uncertain=True)]) == [True]


async def test_claims_take_the_urgent_first_and_leave_what_is_not_due(queue: Queue, server_id: str) -> None:
    await queue.enqueue(new_message(server_id, "slow@example.org", priority=-1))
    await queue.enqueue(new_message(server_id, "later@example.org", send_at=NOW + timedelta(hours=1)))
    await queue.enqueue(new_message(server_id, "urgent@example.org", priority=5))
    await queue.enqueue(new_message(server_id, "plain@example.org"))
    order = [c.recipient for c in await claimed_by(queue, server_id)]
    assert order == ["urgent@example.org", "plain@example.org", "slow@example.org"]
    assert [c.recipient for c in await claimed_by(queue, server_id, after_s=3601)] == ["later@example.org"]


async def test_a_claim_is_for_one_server(queue: Queue, server_id: str, database: Database) -> None:
    await queue.enqueue(new_message(server_id))
    other = add_server(database, ServerSettings(name="Other"))
    assert await claimed_by(queue, other) == ()


async def test_waiting_deliveries_without_a_server_go_to_the_one_assigned(queue: Queue, server_id: str) -> None:
    await queue.enqueue(new_message(None))
    assert await claimed_by(queue, server_id) == ()
    assert await queue.assign(server_id) == 1
    assert len(await claimed_by(queue, server_id)) == 1


async def test_a_server_deleted_while_the_message_arrived_leaves_the_message_waiting(
    queue: Queue, server_id: str, database: Database
) -> None:
    first = queue.enqueue(new_message("01DELETED0000000000000000A"))
    second = queue.enqueue(new_message(server_id))
    await asyncio.gather(first, second)
    found = rows(database, "SELECT server_id FROM store_delivery ORDER BY id")
    assert found == [(None,), (server_id,)]


async def test_fifty_equal_requests_with_one_key_are_one_message(
    queue: Queue, server_id: str, database: Database
) -> None:
    messages = [
        new_message(server_id, idempotency_scope="client", idempotency_key="k", request_digest="d") for _ in range(50)
    ]
    answers = await asyncio.gather(*(queue.enqueue(m) for m in messages))
    assert len({(a.id, a.deliveries) for a in answers}) == 1
    assert [a.replayed for a in answers].count(False) == 1
    assert rows(database, "SELECT count(*) FROM store_message") == [(1,)]


async def test_a_key_used_with_another_request_is_a_conflict(queue: Queue, server_id: str) -> None:
    key = {"idempotency_scope": "client", "idempotency_key": "k"}
    await queue.enqueue(new_message(server_id, request_digest="one", **key))
    with pytest.raises(IdempotencyConflict):
        await queue.enqueue(new_message(server_id, request_digest="two", **key))
    other = new_message(server_id, idempotency_scope="other", idempotency_key="k", request_digest="two")
    assert not (await queue.enqueue(other)).replayed


async def test_a_list_is_stored_in_one_commit_with_an_answer_for_each(
    queue: Queue, server_id: str, database: Database
) -> None:
    key = {"idempotency_scope": "client", "idempotency_key": "k"}
    earlier = await queue.enqueue(new_message(server_id, request_digest="one", **key))
    lists = [
        [new_message(server_id), new_message(server_id, request_digest="one", **key)],
        [new_message("01DELETED0000000000000000A", request_digest="two", **key), new_message(server_id)],
        [],
    ]
    (fresh, replayed), refused, none = await asyncio.gather(*map(queue.enqueue_all, lists))
    assert [(a.id, a.replayed) for a in (fresh, replayed) if not isinstance(a, IdempotencyConflict)] == [
        (lists[0][0].id, False), (earlier.id, True)
    ]
    assert [type(answer) for answer in refused] == [IdempotencyConflict] * 2, "of what is refused nothing is sent"
    assert list(none) == []
    assert rows(database, "SELECT count(*) FROM store_message") == [(2,)]
    assert rows(database, "SELECT count(*) FROM store_delivery") == [(2,)]


async def test_u4_of_two_batches_with_one_key_that_come_together_nothing_of_the_refused_is_stored(
    queue: Queue, server_id: str, database: Database
) -> None:
    lists = [
        [
            new_message(server_id, idempotency_scope="client", idempotency_key=f"k#{n}", request_digest=digest)
            for n in range(length)
        ]
        for digest, length in (("one", 2), ("two", 3), ("one", 2))
    ]
    stored, refused, again = await asyncio.gather(*map(queue.enqueue_all, lists))
    assert [type(answer) for answer in refused] == [IdempotencyConflict] * 3
    assert [a.id for a in (*stored, *again) if not isinstance(a, IdempotencyConflict)] == [m.id for m in lists[0]] * 2
    assert rows(database, "SELECT count(*) FROM store_message") == [(2,)]
    assert rows(database, "SELECT count(*) FROM store_idempotencykey") == [(2,)]


async def test_of_a_list_that_names_a_server_that_is_gone_all_is_stored(
    queue: Queue, server_id: str, database: Database
) -> None:
    gone = new_message("01DELETED0000000000000000A")
    answers = await asyncio.gather(
        queue.enqueue_all([new_message(server_id), gone]), queue.enqueue(new_message(server_id))
    )
    assert len(answers[0]) == 2
    found = rows(database, "SELECT message_id, server_id FROM store_delivery")
    assert len(found) == 3
    assert [server for message, server in found if message == gone.id] == [None]


async def test_a_damaged_row_is_set_apart_and_stops_no_other(sqlite_database: Path) -> None:
    """PostgreSQL keeps types by itself."""
    database, outbox = sqlite_database, SqliteOutbox(sqlite_database)
    queue, server_id = outbox.queue, add_server(database)
    broken = await queue.enqueue(new_message(server_id, "broken@example.org"))
    await queue.enqueue(new_message(server_id, "whole@example.org"))
    connection = connect(database)
    connection.execute("UPDATE store_message SET expires_at = 'soon', content_size = 'big' WHERE id = ?", (broken.id,))
    connection.close()
    claims = await queue.claim(server_id, now=NOW, lease_until=LEASE_END, limit=10)
    assert [c.recipient for c in claims.claimed] == ["whole@example.org"]
    assert [d.recipient for d in claims.damaged] == ["broken@example.org"]
    held = Settlement(claims.damaged[0].lease, DeliveryState.HELD, NOW, cause="stored-message-damaged")
    assert await queue.settle([held]) == [True]
    outbox.close()


async def test_overdue_deliveries_end_without_an_attempt_unless_they_were_claimed_meanwhile(
    queue: Queue, server_id: str, database: Database
) -> None:
    await queue.enqueue(new_message(server_id, "ann@example.org", "bob@example.org", expires_at=NOW))
    overdue = await queue.overdue(NOW, 10)
    assert [o.recipient for o in overdue] == ["ann@example.org", "bob@example.org"]
    rows(database, "UPDATE store_delivery SET state = 'sending', fence = fence + 1 WHERE recipient = 'ann@example.org'")
    ends = [Settlement(o.lease, DeliveryState.FAILED, NOW, cause="queue-expired") for o in overdue]
    assert await queue.expire(ends) == [False, True]
    assert rows(database, "SELECT state, cause FROM store_delivery ORDER BY id") == [
        ("sending", ""), ("failed", "queue-expired")
    ]


def test_times_compare_as_texts_and_come_back_as_they_went() -> None:
    times = [NOW, NOW.replace(microsecond=0), NOW + timedelta(microseconds=1), NOW + timedelta(days=300)]
    assert [time_of(text_of(t)) for t in times] == times
    assert sorted(map(text_of, times)) == [text_of(t) for t in sorted(times)]


@pytest.mark.django_db(transaction=True)
async def test_pages_read_the_same_rows_through_the_orm() -> None:
    server_id = await asyncio.to_thread(add_server, conninfo() if is_postgresql() else sqlite_file())
    outbox = open_outbox()
    try:
        queue = outbox.queue
        await queue.enqueue(new_message(server_id, metadata={"a": 1}, tags=["x"]))
        (claimed,) = await claimed_by(queue, server_id)
        finding = {"cause": "mailbox-full"}
        end = Settlement(claimed.lease, DeliveryState.FAILED, NOW, outcome="failed", finding=finding)
        await queue.settle([end])
    finally:
        outbox.close()
    delivery = await Delivery.objects.select_related("message", "server").aget()
    attempt = await Attempt.objects.aget()
    assert (delivery.state, delivery.updated_at, delivery.finding) == ("failed", NOW, finding)
    assert (delivery.message.metadata, delivery.message.tags, delivery.message.created_at) == ({"a": 1}, ["x"], NOW)
    assert (attempt.started_at, attempt.ended_at, attempt.finding, attempt.number) == (NOW, NOW, finding, 1)
    assert await Delivery.objects.filter(updated_at__lte=NOW).acount() == 1


async def test_a_claim_brings_the_recipients_of_a_message_together_within_its_bounds(
    queue: Queue, server_id: str
) -> None:
    await queue.enqueue(new_message(server_id, *(f"r{n}@example.org" for n in range(150))))
    for number in range(3):
        await queue.enqueue(new_message(server_id, f"single{number}@example.org"))
    first = await claimed_by(queue, server_id, limit=2)
    assert len(first) == 151
    assert [c.recipient for c in await claimed_by(queue, server_id, limit=9)] == [
        "single1@example.org", "single2@example.org"
    ]


def test_a_claim_reads_its_rows_in_the_order_of_an_index(sqlite_database: Path) -> None:
    server_id = add_server(sqlite_database)
    connection = connect(sqlite_database)
    enqueue(connection, [new_message(server_id)])
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    Claiming().one(connection, Wanted(server_id, NOW, NOW, 1, None))
    connection.set_trace_callback(None)
    statement = next(s for s in seen if "ORDER BY d.due_at, d.message_id" in s)
    plans = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    connection.close()
    assert any("delivery_next" in plan for plan in plans)
    assert not any("TEMP B-TREE" in plan for plan in plans)


async def test_a_settlement_moves_the_delivery_in_its_commit_and_the_next_claim_knows_who_tried(
    queue: Queue, server_id: str, database: Database
) -> None:
    other = add_server(database, ServerSettings(name="Other"), is_default=False)
    await queue.enqueue(new_message(server_id))
    (first,) = await claimed_by(queue, server_id)
    moved = Settlement(
        first.lease, DeliveryState.DEFERRED, NOW, NOW, outcome="deferred", server_id=other, moved_to="Other"
    )
    assert await queue.settle([moved]) == [True]
    assert await claimed_by(queue, server_id) == ()
    (second,) = await claimed_by(queue, other)
    assert (second.server_id, second.tried, second.message.home_id) == (other, (server_id,), server_id)
    assert rows(database, "SELECT moved_to FROM store_attempt ORDER BY number") == [("Other",), ("",)]
    home = Settlement(second.lease, DeliveryState.DEFERRED, NOW, NOW, outcome="deferred", server_id=server_id)
    assert await queue.settle([home]) == [True]
    (third,) = await claimed_by(queue, server_id)
    assert third.tried == ()


async def test_a_late_settlement_moves_nothing(queue: Queue, server_id: str, database: Database) -> None:
    other = add_server(database, ServerSettings(name="Other"), is_default=False)
    await queue.enqueue(new_message(server_id))
    (first,) = await claimed_by(queue, server_id)
    await queue.release([first.lease], NOW)
    (second,) = await claimed_by(queue, server_id)
    late = replace(sent(first.lease), server_id=other)
    assert await queue.settle([late]) == [False]
    assert rows(database, "SELECT server_id, fence FROM store_delivery") == [(server_id, second.lease.fence)]


async def test_what_waits_is_passed_on_but_not_what_is_pinned_uncertain_under_lease_or_not_due(
    queue: Queue, server_id: str, database: Database
) -> None:
    other = add_server(database, ServerSettings(name="Other"), is_default=False)
    await queue.enqueue(new_message(server_id, "leased@example.org"))
    await claimed_by(queue, server_id)
    await queue.enqueue(new_message(server_id, "free@example.org", "more@example.org"))
    await queue.enqueue(new_message(server_id, "pinned@example.org", pinned=True))
    await queue.enqueue(new_message(server_id, "later@example.org", send_at=NOW + timedelta(hours=1)))
    await queue.enqueue(new_message(server_id, "unsure@example.org"))
    rows(database, "UPDATE store_delivery SET uncertain_count = 1 WHERE recipient = 'unsure@example.org'")
    assert await queue.pass_on(server_id, other, NOW, 1) == 1
    assert await queue.pass_on(server_id, other, NOW, 100) == 1
    assert await queue.pass_on(server_id, "01GONE", NOW, 100) == 0
    moved = rows(database, "SELECT recipient FROM store_delivery WHERE server_id = ? ORDER BY id", other)
    assert moved == [("free@example.org",), ("more@example.org",)]


async def test_what_another_server_refused_is_not_passed_on_to_it_again(
    queue: Queue, server_id: str, database: Database
) -> None:
    other = add_server(database, ServerSettings(name="Other"), is_default=False)
    await queue.enqueue(new_message(other))
    (claimed,) = await claimed_by(queue, other)
    refused = Settlement(
        claimed.lease, DeliveryState.DEFERRED, NOW, NOW, outcome="failed", stage="sender", reply_code=554,
        server_id=server_id,
    )
    assert await queue.settle([refused]) == [True]
    assert await queue.pass_on(server_id, other, NOW, 100) == 0


async def test_what_names_a_server_that_is_gone_goes_to_no_other(queue: Queue, server_id: str) -> None:
    await queue.enqueue(new_message(None, pinned=True))
    assert await queue.assign(server_id) == 0


async def test_who_refused_sender_or_content_stays_known_after_the_delivery_waited(
    queue: Queue, database: Database
) -> None:
    other = add_server(database, ServerSettings(name="Other"), is_default=False)
    await queue.enqueue(new_message(other))
    for outcome, stage, code in (("failed", "sender", 554), ("deferred", "recipient", 450)):
        (claimed,) = await claimed_by(queue, other)
        waits = Settlement(
            claimed.lease, DeliveryState.DEFERRED, NOW, NOW, outcome=outcome, stage=stage, reply_code=code
        )
        assert await queue.settle([waits]) == [True]
    (again,) = await claimed_by(queue, other)
    assert again.tried == (other,)


async def test_a_connection_that_broke_is_no_refusal(queue: Queue, server_id: str, database: Database) -> None:
    other = add_server(database, ServerSettings(name="Other"), is_default=False)
    await queue.enqueue(new_message(other))
    (claimed,) = await claimed_by(queue, other)
    broken = Settlement(
        claimed.lease, DeliveryState.DEFERRED, NOW, NOW, outcome="deferred", stage="sender", server_id=server_id
    )
    assert await queue.settle([broken]) == [True]
    (again,) = await claimed_by(queue, server_id)
    assert again.tried == ()
    await queue.release([again.lease], NOW)
    assert await queue.pass_on(server_id, other, NOW, 100) == 1
