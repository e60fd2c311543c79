"""A server's limits per minute and per day."""

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from postroom.engine import cooldown
from postroom.engine.pace import DAY_S, MINUTE_S, Pace
from postroom.store.models import Attempt, Delivery
from postroom.terms.server import Limits

from .conftest import Outbox
from .peer import Peer, Visit

NOW_S = 1_000_000.0


def test_without_limits_there_is_no_end() -> None:
    assert Pace().left(NOW_S, Limits()) == float("inf")


def test_what_was_begun_counts_for_a_minute() -> None:
    pace, limits = Pace(), Limits(messages_per_minute=10)
    pace.count(NOW_S, 4)
    pace.count(NOW_S + 30, 6)
    assert pace.left(NOW_S + MINUTE_S - 1, limits) == 0
    assert pace.left(NOW_S + MINUTE_S, limits) == 4
    assert pace.left(NOW_S + MINUTE_S + 30, limits) == 10


def test_the_narrower_limit_decides_and_a_day_remembers_what_was_before() -> None:
    pace, limits = Pace(), Limits(messages_per_minute=10, messages_per_day=100)
    pace.learn(NOW_S, [(DAY_S - 10, 50), (3_600, 45)])
    assert pace.left(NOW_S, limits) == 5
    assert pace.left(NOW_S + 11, limits) == 10


def test_a_day_of_mail_takes_few_entries() -> None:
    pace = Pace()
    for number in range(100_000):
        pace.count(NOW_S + number * 0.001, 1)
    assert pace.left(NOW_S + 100, Limits(messages_per_day=200_000)) == 100_000
    assert len(pace._day._counts) <= 101


async def test_a_day_counts_across_a_restart(outbox: Outbox) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(messages_per_day=3))
        await outbox.submit(server_id, "earlier@example.org", "too@example.org")
        async for delivery in Delivery.objects.all():
            await Attempt.objects.acreate(
                delivery=delivery, number=1, server_id=server_id, outcome="sent",
                started_at=timezone.now() - timedelta(hours=5),
            )
        await Delivery.objects.aupdate(state="sent")
        for number in range(4):
            await outbox.submit(server_id, f"r{number}@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("sent", "queued", one="queued")
        for _ in range(20):
            assert outbox.lane is not None
            outbox.lane.nudge()
            if len(peer.taken) == 2:
                break
            await asyncio.sleep(0.05)
    assert [state for _, state in outbox.states()].count("queued") == 2
    assert len(peer.taken) == 2


def test_what_was_sent_before_the_day_had_a_limit_counts_once() -> None:
    pace, limits = Pace(), Limits(messages_per_day=100)
    pace.count(NOW_S - 600, 30)
    pace.learn(NOW_S, [(3_600, 20), (600, 30)])
    assert pace.left(NOW_S, limits) == 50
    assert pace.left(NOW_S + DAY_S - 3_599, limits) == 70


def test_what_was_taken_back_may_be_begun_again() -> None:
    pace, limits = Pace(), Limits(messages_per_minute=10)
    pace.count(NOW_S, 2)
    pace.count(NOW_S + 10, 8)
    pace.take_back(9)
    assert pace.left(NOW_S + 10, limits) == 9
    assert pace.left(NOW_S + MINUTE_S, limits) == 10
    pace.take_back(5)
    assert pace.left(NOW_S + MINUTE_S, limits) == 10


async def test_a_server_that_could_not_be_reached_has_not_sent_its_day(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooldown, "cooldown_s", lambda *_args, **_more: 0.05)
    is_down = True

    def answer(_: Visit, line: str) -> str | None:
        return "421 4.3.2 closing" if is_down and line == "greeting" else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port, limits=Limits(messages_per_day=5))
        for number in range(5):
            await outbox.submit(server_id, f"r{number}@example.org")
        lane = await outbox.open_lane(server_id)
        for _ in range(200):
            is_down = peer.visits < 6
            if len(peer.taken) == 5:
                break
            await Delivery.objects.filter(state="deferred").aupdate(due_at=timezone.now())
            lane.nudge()
            await asyncio.sleep(0.05)
        assert len(peer.taken) == 5
        await outbox.until("sent")
