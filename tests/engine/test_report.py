"""What the engine tells of its lanes, and shares of connections among engines."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from postroom.engine import engine
from postroom.store.lane_states import SLOTS_FOR, share_slots
from postroom.store.models import LaneState
from postroom.terms.server import Limits

from .conftest import Outbox
from .peer import Peer
from .running import Running


async def until(holds: Callable[[LaneState], bool], within_s: float = 6.0) -> LaneState:
    for _ in range(int(within_s / 0.1)):
        found = await LaneState.objects.afirst()
        if found is not None and holds(found):
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"not told: {found and vars(found)}")


async def test_pages_learn_which_limit_holds_mail_and_until_when(outbox: Outbox) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(messages_per_minute=3))
        for number in range(3):
            await outbox.submit(server_id, f"r{number}@example.org")
        running = Running(outbox)
        await running.start()
        try:
            told = await until(lambda state: state.held_by != "")
        finally:
            await running.stop()
    assert (told.server_id, told.held_by) == (server_id, "messages_per_minute")
    assert told.held_until is not None
    assert timedelta(0) < told.held_until - told.at <= timedelta(seconds=20)
    assert told.sessions <= 4
    assert await LaneState.objects.acount() == 0


async def test_a_lane_that_does_nothing_is_not_written_again_and_again(outbox: Outbox) -> None:
    async with Peer() as peer:
        await outbox.server(peer.port)
        running = Running(outbox)
        await running.start()
        try:
            first = await until(lambda _: True)
            await asyncio.sleep(2.5)
            again = await LaneState.objects.aget()
        finally:
            await running.stop()
    assert again.at == first.at


async def test_connections_are_shared_evenly_and_never_given_away_twice(outbox: Outbox) -> None:
    server_id = await outbox.server(25)
    now = timezone.now()

    def share(engine: str, seconds: float = 0) -> int:
        return share_slots(engine, {server_id: 4}, now + timedelta(seconds=seconds))[server_id]

    def story() -> list[int]:
        alone = [share("a"), share("b")]
        together = [share("a", 4), share("b", 4)]
        after_a_died = [share("b", 5 + SLOTS_FOR.total_seconds())]
        return [*alone, *together, *after_a_died]

    assert await asyncio.to_thread(story) == [4, 0, 2, 2, 4]


@pytest.mark.parametrize("others", [0, 2])
async def test_an_engine_opens_no_connection_before_it_has_a_share_and_has_one_as_soon_as_it_begins(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    monkeypatch.setattr("postroom.engine.report.is_postgresql", lambda: True)
    monkeypatch.setattr(engine, "SLOTS_S", 60.0)
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(connections=2))
        if others:
            await asyncio.to_thread(share_slots, "other", {server_id: others}, timezone.now())
        await outbox.submit(server_id, "ann@example.org")
        running = Running(outbox)
        await running.start()
        try:
            await outbox.until(*(["queued"] if others else ["sent"]))
            await asyncio.sleep(1.0 if others else 0)
            assert peer.visits == (0 if others else 1)
        finally:
            await running.stop()
