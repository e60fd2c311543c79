"""Eight servers that take a connection and then fail in a way of their own delay no mail of the ninth (B9)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from tests.dialogs.player import dialog_of, playing
from tests.outbox import add_server

from postroom.engine import cooldown, sessions
from postroom.engine.lane import Lane
from postroom.store.models import SmtpServer
from postroom.terms.server import Security, ServerSettings

from .conftest import Outbox
from .peer import Peer, Visit
from .running import Running

READY = "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 PIPELINING\n"
ENVELOPE = "C: MAIL *\nC: RCPT *\nC: DATA\n"
HOLES = (
    "silence",
    "drip 0.2 220 mx",
    "S: 220 mx\nC: EHLO *\nsilence",
    READY + "silence",
    READY + ENVELOPE + "S: 250 ok\nsilence",
    READY + ENVELOPE + "S: 250 ok\nS: 250 ok\nS: 354 go\ndeaf",
    READY + ENVELOPE + "S: 250 ok\nS: 250 ok\nS: 354 go\nC.\nsilence",
    "flood 220-hello\\r\\n",
)
LONG = b"Subject: x\r\n\r\n" + b"x\r\n" * 10_000
MESSAGES, ROUNDS = 100, 4
# What a busy machine adds to the slowest of so many without any fault of ours.
SLACK_S = 0.15


@pytest.fixture
async def hole_ports() -> AsyncIterator[list[int]]:
    async with AsyncExitStack() as stack:
        holes = [playing(dialog_of("hole", text), strict=False) for text in HOLES]
        yield [(await stack.enter_async_context(hole)).port for hole in holes]


async def slowest_s(outbox: Outbox, good: Peer, server_id: str, word: str) -> float:
    """The 99th percentile of the time from acceptance to the server."""
    began: dict[str, float] = {}
    took: list[float] = []
    done = asyncio.Event()

    def answer(visit: Visit, line: str) -> None:
        if line == "dot":
            took.append(time.monotonic() - began[visit.recipients[0]])
            if len(took) == MESSAGES:
                done.set()

    good.answer = answer
    for number in range(MESSAGES):
        recipient = f"{word}{number}@example.org"
        began[recipient] = time.monotonic()
        await outbox.submit(server_id, recipient)
        await asyncio.sleep(0.003)
    await asyncio.wait_for(done.wait(), 20)
    return sorted(took)[MESSAGES * 99 // 100 - 1]


async def test_b9_eight_black_holes_leave_the_99th_percentile_of_a_good_server_as_it_was(
    outbox: Outbox, running: Running, hole_ports: list[int]
) -> None:
    async with Peer() as good:
        server_id = await outbox.server(good.port)
        await running.start()
        alone_s = await slowest_s(outbox, good, server_id, "alone")
        for number, port in enumerate(hole_ports):
            settings = ServerSettings(name=f"Hole {number}", host="127.0.0.1", port=port, security=Security.NONE)
            hole_id = await asyncio.to_thread(add_server, outbox.database, settings, is_default=False)
            for stuck in range(20):
                await outbox.submit(hole_id, f"stuck{number}.{stuck}@example.org", content=LONG)
        await asyncio.sleep(1.0)
        beside_s = [await slowest_s(outbox, good, server_id, f"beside{n}") for n in range(ROUNDS)]
    assert min(beside_s) <= alone_s + SLACK_S


@pytest.mark.parametrize("refused_visit", [0, 2])
async def test_b9_a_lane_whose_further_slots_wait_for_other_lanes_delivers_with_its_own(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, refused_visit: int
) -> None:
    monkeypatch.setattr(sessions, "IDLE_S", 0.05)
    monkeypatch.setattr(cooldown, "cooldown_s", lambda *_args, **_more: 0.2)

    def answer(visit: Visit, line: str) -> str | None:
        return "421 4.3.2 not now" if line == "greeting" and visit.number == refused_visit else None

    async with Peer(answer) as good:
        server_id = await outbox.server(good.port)
        row = await SmtpServer.objects.aget(pk=server_id)
        all_taken = asyncio.Semaphore(0)
        outbox.lane = Lane(row, outbox.queue, outbox.courier, outbox.settler, all_taken, tuple)
        for batch in range(3):
            for number in range(8):
                await outbox.submit(server_id, f"r{batch}.{number}@example.org")
            outbox.lane.nudge()
            await outbox.until("sent")
            await asyncio.sleep(0.15)
            assert outbox.lane.sessions.count == 0
        assert good.most_open == 1
