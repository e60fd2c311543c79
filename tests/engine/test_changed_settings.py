"""What a lane does with what it has at hand when its server's row is read anew."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from postroom.engine import held_octets
from postroom.engine.held_octets import HeldOctets
from postroom.engine.lane import Lane
from postroom.store.models import Delivery, SmtpServer
from postroom.terms.server import Limits

from .conftest import Outbox
from .peer import StalledPeer


async def changed(server_id: str, **values: object) -> SmtpServer:
    row = await SmtpServer.objects.aget(pk=server_id)
    row.settings = row.typed_settings.changed(**values).as_json()
    await row.asave()
    return row


async def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(300):
        if holds():
            return True
        await asyncio.sleep(0.01)
    return False


async def test_what_waits_is_divided_by_the_settings_with_which_it_leaves(outbox: Outbox) -> None:
    async with StalledPeer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(connections=1))
        for number in range(4):
            await outbox.submit(server_id, *(f"r{number}{letter}@example.org" for letter in "abc"))
        lane = await outbox.open_lane(server_id)
        await asyncio.wait_for(peer.stalls.wait(), 5)
        lane.update(await changed(server_id, limits=Limits(connections=1, recipients_per_message=2)))
        assert not lane.pending
        peer.goes_on.set()
        for _ in range(100):
            lane.nudge()
            await asyncio.sleep(0.02)
            if {state for _, state in outbox.states()} == {"sent"}:
                break
    assert [len(taken.recipients) for taken in peer.taken] == [3, 3, 2, 1, 2, 1]


async def test_what_is_put_back_is_divided_anew_and_each_recipient_has_its_own_return_path(outbox: Outbox) -> None:
    """The next envelope is under way when the settings change; the server that stalls has the session end."""
    async with StalledPeer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(connections=1))
        await outbox.submit(server_id, "ann@example.org")
        await outbox.submit(server_id, "bob@example.org", "cy@example.org")
        lane = await outbox.open_lane(server_id)
        await asyncio.wait_for(peer.stalls.wait(), 5)
        assert await eventually(lambda: not lane.pending)
        lane.update(await changed(server_id, bounce_address="bounces@reports.example"))
        await outbox.until("uncertain", "queued", "sending", "sent", one="uncertain")
        for _ in range(100):
            lane.nudge()
            await asyncio.sleep(0.02)
            if [state for _, state in outbox.states()].count("sent") == 2:
                break
    assert [len(taken.recipients) for taken in peer.taken] == [1, 1]
    assert len({taken.sender for taken in peer.taken}) == 2


async def test_what_is_tried_again_while_its_first_try_still_runs_gives_back_the_room_of_both(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with StalledPeer() as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        row, held = await SmtpServer.objects.aget(), HeldOctets()
        lane = outbox.lane = Lane(
            row, outbox.queue, outbox.courier, outbox.settler, asyncio.Semaphore(9), tuple, held_octets=held
        )
        await asyncio.wait_for(peer.stalls.wait(), 5)
        await Delivery.objects.aupdate(state="queued", due_at=datetime.now(UTC), lease_until=None)
        monkeypatch.setattr(held_octets, "MOST_BYTES", 1_000_000)
        lane.nudge()
        assert await eventually(lambda: len(peer.taken) == 1)
        monkeypatch.setattr(held_octets, "MOST_BYTES", 1)
        peer.goes_on.set()
        assert await eventually(lambda: len(peer.taken) == 2 and not lane.leases)
        assert await eventually(lambda: held.has_room)


async def test_a_server_that_works_again_is_not_taken_for_one_that_was_repaired_by_hand(outbox: Outbox) -> None:
    async with StalledPeer() as peer:
        server_id = await outbox.server(peer.port)
        await SmtpServer.objects.aupdate(failing_since=datetime.now(UTC))
        await outbox.submit(server_id, "ann@example.org")
        lane = await outbox.open_lane(server_id)
        await asyncio.wait_for(peer.stalls.wait(), 5)
        lane.update(await SmtpServer.objects.aget())
        peer.goes_on.set()
        await outbox.until("sent")
        row = await SmtpServer.objects.aget()
        assert row.failing_since is None
        assert await eventually(lambda: lane.sessions.count == 1)
        lane.update(row)
        assert lane.sessions.count == 1, "its idle session goes on"
