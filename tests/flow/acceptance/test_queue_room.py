"""B8: the queue has a size limit for each client and in all."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import pytest
from tests.outbox import enqueued, new_message

from postroom.flow.acceptance.queue_room import RETRY_AFTER_S, QueueLimits, QueueRoom
from postroom.flow.users.tokens import create_token
from postroom.store.models import Delivery
from postroom.store.outbox import open_outbox
from postroom.store.queue_depth import queue_depths
from postroom.terms.problem import Problem

LIMITS = QueueLimits(in_all=100, per_client=40)


class Counted:
    """A queue whose count is told, and when it was asked."""

    def __init__(self, **depths: int) -> None:
        self.depths, self.times, self.now_s = dict(depths), 0, 1_000.0

    def __call__(self) -> dict[str, int]:
        self.times += 1
        return dict(self.depths)

    def room(self) -> "Door":
        return Door(self, QueueRoom(LIMITS, count=self, now_s=lambda: self.now_s))


@dataclass
class Door:
    """Accepts into that queue."""

    queue: Counted
    room: QueueRoom


async def accept(door: Door, client: str, deliveries: int = 1) -> None:
    async with door.room.taken(client, deliveries):
        door.queue.depths[client] = door.queue.depths.get(client, 0) + deliveries


async def test_b8_a_full_client_is_refused_with_a_time_to_come_back_and_another_is_not() -> None:
    room = Counted().room()
    for _ in range(40):
        await accept(room, "reports")
    with pytest.raises(Problem) as refused:
        await accept(room, "reports")
    assert (refused.value.status, refused.value.slug) == (429, "queue-full")
    assert refused.value.header["Retry-After"] == str(RETRY_AFTER_S)
    assert "This client" in refused.value.detail
    await accept(room, "other", 40)


async def test_b8_a_queue_that_is_full_in_all_refuses_everybody_and_says_so() -> None:
    room = Counted(one=40, two=40, three=19).room()
    await accept(room, "four")
    with pytest.raises(Problem) as refused:
        await accept(room, "four")
    assert "The queue holds" in refused.value.detail


async def test_more_is_accepted_as_soon_as_some_have_left() -> None:
    queue = Counted(reports=40)
    room = queue.room()
    with pytest.raises(Problem):
        await accept(room, "reports")
    queue.depths["reports"] = 30
    with pytest.raises(Problem):
        await accept(room, "reports")
    queue.now_s += 1.5
    await accept(room, "reports", 10)
    queue.now_s += 1.5
    with pytest.raises(Problem):
        await accept(room, "reports")


async def test_far_from_the_limits_nothing_is_counted_and_near_them_not_for_each_message() -> None:
    queue = Counted()
    room = queue.room()
    for _ in range(8):
        await accept(room, "reports")
    assert queue.times == 1
    for _ in range(32):
        queue.now_s += 0.01
        await accept(room, "reports")
    for _ in range(500):
        queue.now_s += 0.01
        with pytest.raises(Problem):
            await accept(room, "reports")
    assert queue.times <= 7


async def test_what_other_processes_accepted_is_seen_before_a_limit_is_passed() -> None:
    queue = Counted()
    rooms = [queue.room() for _ in range(4)]
    for number in range(200):
        queue.now_s += 2.0
        with suppress(Problem):
            await accept(rooms[number % 4], "reports")
    assert queue.depths["reports"] == 40


def test_the_count_is_of_what_waits_is_held_or_under_way_by_client(transactional_db: None) -> None:  # noqa: ARG001
    token, _ = create_token("Report server", "send", "test")
    outbox = open_outbox()
    try:
        for client in (None, token.pk):
            recipients = ("ann@example.org", "bob@example.org", "cy@example.org")
            new = new_message(None, *recipients, client_id=client, idempotency_scope=client or "local")
            asyncio.run(enqueued(outbox.queue, new))
    finally:
        outbox.close()
    Delivery.objects.filter(recipient="ann@example.org").update(state="held")
    Delivery.objects.filter(recipient="cy@example.org").update(state="sent")
    assert queue_depths() == {"local": 2, token.pk: 2}
