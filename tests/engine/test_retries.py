"""A message that is tried again is the message that was accepted (M7)."""

import asyncio
from datetime import UTC, datetime, timedelta

from postroom.store.models import Delivery

from .conftest import CONTENT, Outbox
from .peer import Peer, Visit


async def test_m7_every_try_sends_the_same_octets_with_the_same_message_id_and_date(outbox: Outbox) -> None:
    heard: list[bytes] = []
    tried = asyncio.Event()

    def answer(visit: Visit, line: str) -> str | None:
        if line != "dot":
            return None
        heard.append(visit.content)
        tried.set()
        return "451 4.7.1 later" if len(heard) < 3 else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        content = b"Date: Mon, 09 Mar 2026 08:00:00 +0100\r\n" + CONTENT
        await outbox.submit(server_id, "ann@example.org", content=content)
        lane = await outbox.open_lane(server_id)
        for state in ("deferred", "deferred", "sent"):
            await asyncio.wait_for(tried.wait(), 5)
            await outbox.until(state)
            tried.clear()
            await Delivery.objects.filter(state="deferred").aupdate(due_at=datetime.now(UTC) - timedelta(seconds=1))
            lane.nudge()
    assert heard == [content] * 3
