"""No lease of a lane is held for ever, and none that is gone is acted upon."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from postroom.engine.lane import Lane
from postroom.flow.delivery.settle import NOBODY
from postroom.store.models import Attempt, Delivery, SmtpServer
from postroom.store.queue import Claims
from postroom.terms.server import Limits

from .conftest import Outbox
from .peer import Peer, StalledPeer, Visit


async def eventually(true: Callable[[], bool]) -> bool:
    for _ in range(500):
        if true():
            return True
        await asyncio.sleep(0.01)
    return False


def on(verb: str, reply: str) -> Any:
    return lambda _visit, line: reply if line.upper().startswith(verb.upper()) else None


@pytest.mark.parametrize(("verb", "sent"), [("greeting", 0), ("MAIL", 1)])
async def test_what_breaks_while_a_server_at_fault_is_left_alone_leaves_nothing_under_lease_for_ever(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, verb: str, sent: int
) -> None:
    broke = asyncio.Event()

    async def broken(*_: Any) -> bool:
        broke.set()
        raise RuntimeError("no finding")

    monkeypatch.setattr("postroom.engine.lane.note_failing", broken)
    async with Peer(on(verb, "530 5.7.0 sign in first")) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        lane = await outbox.open_lane(server_id)
        await asyncio.wait_for(broke.wait(), 5)
        await outbox.until("queued", "deferred")
        assert await eventually(lambda: lane.leases == [])
    assert await Attempt.objects.acount() == sent


@pytest.mark.parametrize("lasts_s", [60.0, 0.0], ids=["no share", "a share that ran out"])
async def test_what_an_engine_claimed_returns_when_it_has_no_share_of_the_connections_any_more(
    outbox: Outbox, lasts_s: float
) -> None:
    async with StalledPeer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(connections=1))
        for number in range(4):
            await outbox.submit(server_id, f"r{number}@example.org")
        row = await SmtpServer.objects.aget(pk=server_id)
        lane = outbox.lane = Lane(
            row, outbox.queue, outbox.courier, outbox.settler, asyncio.Semaphore(100), lambda: (), is_shared=True
        )
        lane.allowance.share(1, time.monotonic() + 60)
        lane.nudge()
        await asyncio.wait_for(peer.stalls.wait(), 3)
        assert len(lane.pending) > 0
        lane.allowance.share(0 if lasts_s else 1, time.monotonic() + lasts_s)
        lane.nudge()
        assert await eventually(lambda: not lane.pending)
        peer.goes_on.set()
        await outbox.until("sent", "queued")
        states = [state for _, state in outbox.states()]
        assert states.count("queued") == 4 - len(peer.taken)
        assert states.count("queued") > 0
        assert await eventually(lambda: lane.leases == [])


async def test_u10_what_another_engine_has_taken_over_as_untried_does_not_leave_here_any_more(outbox: Outbox) -> None:
    async def answer(_: Visit, line: str) -> str | None:
        if line == "DATA" and not peer.taken and await Attempt.objects.acount():
            await outbox.settler.settle_abandoned(lambda _: NOBODY, lease_over=False)
            outbox.queue.claim = nothing  # type: ignore[method-assign]
        return None

    async def nothing(*_: Any, **__: Any) -> Claims:
        return Claims()

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org", purpose="report")
        lane = await outbox.open_lane(server_id)
        await outbox.until("queued", one="queued")
        assert await eventually(lambda: bool(peer.visits) and not lane.leases)
    assert peer.taken == []
    assert outbox.states() == [("ann@example.org", "queued")]


async def test_u10_what_begins_to_leave_while_another_engine_takes_it_for_untried_is_counted_uncertain(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that stood still wakes between another one's look at what was abandoned and its commit."""
    server_id = await outbox.server(2525)
    await outbox.submit(server_id, "ann@example.org", purpose="report")
    now = datetime.now(UTC)
    (claimed,) = (await outbox.queue.claim(server_id, now=now, lease_until=now, limit=1)).claimed
    look = outbox.queue.abandoned

    async def looked_and_woke(*given: Any, **named: Any) -> Claims:
        found = await look(*given, **named)
        assert await outbox.queue.mark_transacting([claimed.lease]) == [True]
        return found

    monkeypatch.setattr(outbox.queue, "abandoned", looked_and_woke)
    await outbox.settler.settle_abandoned(lambda _: NOBODY, lease_over=True)
    assert outbox.states() == [("ann@example.org", "sending")]
    await outbox.settler.settle_abandoned(lambda _: NOBODY, lease_over=True)
    assert outbox.states() == [("ann@example.org", "held")]
    assert (await Delivery.objects.aget()).uncertain_count == 1
    assert (await Attempt.objects.aget()).outcome == "uncertain"


async def test_a_fault_of_ours_in_a_session_is_not_repeated_without_a_pause(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    async def broken(*given: Any) -> None:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) < 4:
            raise RuntimeError("a fault of ours")
        await carry(*given)

    carry = outbox.courier.carry
    monkeypatch.setattr(outbox.courier, "carry", broken)
    monkeypatch.setattr("postroom.engine.lane.FAULT_PAUSE_S", 0.2)
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(connections=1))
        await outbox.submit(server_id, "ann@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("sent")
    assert len(tries) == 4
    assert min(later - earlier for earlier, later in pairwise(tries)) >= 0.2
