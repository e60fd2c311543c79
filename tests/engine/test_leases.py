"""No lease of a lane is held for ever, and none that is gone is acted upon."""

import asyncio
from typing import Any

import pytest

from postroom.store.models import Attempt

from .conftest import Outbox
from .peer import Peer


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
        assert lane.leases == []
    assert await Attempt.objects.acount() == sent
