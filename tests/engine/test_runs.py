"""Lanes over overlapping sessions: marks for a run, what is learned of servers, slots and memory that lanes share."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from django.template.loader import render_to_string

from postroom.engine import held_octets
from postroom.engine.held_octets import HeldOctets
from postroom.engine.lane import Lane
from postroom.flow.servers.server_values import server_values
from postroom.store.models import Attempt, SmtpServer
from postroom.store.queue import Lease
from postroom.terms.server import Limits

from .conftest import CONTENT, Outbox
from .peer import Peer, Visit

ONE = Limits(connections=1)


async def submitted(outbox: Outbox, server_id: str, count: int, **values: Any) -> None:
    for number in range(count):
        await outbox.submit(server_id, f"r{number}@example.org", content=CONTENT + b"%d\r\n" % number, **values)


async def test_u10_reports_are_marked_in_runs_and_each_before_its_final_dot(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    unmarked: list[str] = []
    mark = outbox.queue.mark_transacting

    async def counted(leases: Sequence[Lease]) -> list[bool]:
        runs.append(len(leases))
        await asyncio.sleep(0.02)
        return await mark(leases)

    async def answer(visit: Visit, line: str) -> str | None:
        if line == "dot" and (await Attempt.objects.aget(delivery__recipient=visit.recipients[0])).stage != "message":
            unmarked.append(visit.recipients[0])
        return None

    monkeypatch.setattr(outbox.queue, "mark_transacting", counted)
    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port, limits=ONE)
        await submitted(outbox, server_id, 20, purpose="report")
        await outbox.open_lane(server_id)
        await outbox.until("sent")
    assert unmarked == []
    assert sum(runs) == 20
    assert len(runs) <= 3, "a report costs no commit of its own"


def bears_no_overlap(visit: Visit, line: str) -> str | None:
    """Offers PIPELINING and refuses an envelope that came with the end of a content."""
    is_early = line.startswith("MAIL") and visit.content
    return "503 5.5.1 bad sequence of commands" if is_early and visit.number == 1 else None


async def test_a_server_that_lies_about_pipelining_gets_all_mail_once_and_is_remembered(outbox: Outbox) -> None:
    async with Peer(bears_no_overlap) as peer:
        server_id = await outbox.server(peer.port, limits=ONE)
        await submitted(outbox, server_id, 10)
        await outbox.open_lane(server_id)
        await outbox.until("sent")
    assert sorted(taken.recipients for taken in peer.taken) == sorted((f"r{n}@example.org",) for n in range(10))
    assert await Attempt.objects.acount() == 10, "what was sent again for it is no attempt"
    manners = (await SmtpServer.objects.aget()).manners
    assert (manners["pipelining"], manners["chunking"]) == ("envelope", True)
    assert "503" in manners["said"]
    logged = json.dumps([line for day in outbox.log.days() for line in outbox.log.read_day(day, outcome="plainer")])
    assert "no two messages" in logged
    assert peer.visits == 2


async def test_what_was_learned_of_a_server_holds_after_a_restart_and_not_for_other_settings(outbox: Outbox) -> None:
    async with Peer(bears_no_overlap) as peer:
        server_id = await outbox.server(peer.port, limits=ONE)
        await submitted(outbox, server_id, 3)
        lane = await outbox.open_lane(server_id)
        await outbox.until("sent")
        await lane.stop(2.0)
    again = await outbox.open_lane(server_id)
    assert str(again.manners.pipelining) == "envelope"
    await again.stop(2.0)
    row = await SmtpServer.objects.aget()
    row.settings = row.settings | {"ehlo_name": "other.example"}
    await row.asave()
    assert str((await outbox.open_lane(server_id)).manners.pipelining) == "messages"


async def test_b9_a_lane_has_a_slot_of_its_own_when_others_have_all_that_are_shared(outbox: Outbox) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await submitted(outbox, server_id, 20)
        row = await SmtpServer.objects.aget(pk=server_id)
        none_left = asyncio.Semaphore(0)
        outbox.lane = Lane(row, outbox.queue, outbox.courier, outbox.settler, none_left, lambda: ())
        await outbox.until("sent")
    assert peer.most_open == 1


async def test_b4_lanes_claim_no_more_while_what_they_hold_fills_the_memory_that_they_share(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_octets, "MOST_BYTES", 1)
    shared, most = HeldOctets(), 0
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        row = await SmtpServer.objects.aget(pk=server_id)
        await submitted(outbox, server_id, 100)
        outbox.lane = Lane(
            row, outbox.queue, outbox.courier, outbox.settler, asyncio.Semaphore(9), lambda: (), held_octets=shared
        )
        while len(peer.taken) < 100:
            outbox.lane.nudge()
            most = max(most, len(outbox.lane.leases))
            await asyncio.sleep(0.001)
        await outbox.until("sent")
    assert most <= 64, "one claim at a time"
    assert shared.has_room


async def test_d8_one_report_to_a_thousand_is_stored_once_and_leaves_in_ten_transactions(outbox: Outbox) -> None:
    report = b"Subject: figures\r\n\r\n" + (b"x" * 76 + b"\r\n") * 30_000
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(connections=2))
        await outbox.submit(server_id, *(f"r{number}@example.org" for number in range(1_000)), content=report)
        await outbox.open_lane(server_id)
        await outbox.until("sent", within_s=20)
    assert [len(taken.recipients) for taken in peer.taken] == [100] * 10
    assert {taken.content for taken in peer.taken} == {report}
    files = list((outbox.data / "blobs").glob("??/*"))
    assert sum(path.stat().st_size for path in files) <= len(report)


async def test_b14_a_session_that_carries_much_remembers_nothing_of_it(outbox: Outbox) -> None:
    def answer(_: Visit, line: str) -> str | None:
        return "550 5.1.1 nobody" if line.startswith("RCPT") and "7@" in line else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port, limits=ONE)
        await submitted(outbox, server_id, 60)
        lane = await outbox.open_lane(server_id)
        await outbox.until("sent", "failed")
        (opened,) = lane.sessions._open
    assert peer.visits == 1
    assert len(opened.session._dialogue.recorder.trace.events) == len(opened.opening)


async def test_what_a_server_does_not_bear_is_shown_as_long_as_its_settings_stay(outbox: Outbox) -> None:
    async with Peer(bears_no_overlap) as peer:
        server_id = await outbox.server(peer.port, limits=ONE)
        await submitted(outbox, server_id, 3)
        await outbox.open_lane(server_id)
        await outbox.until("sent")
    row = await SmtpServer.objects.aget()
    shown = server_values(row)["distrusted"]
    assert (shown["pipelining"], shown["chunking"]) == ("envelope", True)
    page = render_to_string("pages/parts/server_distrusted.html", {"distrusted": row.distrusted})
    assert "each one waits for the end of the one before" in page
    assert "bad sequence of commands" in page
    row.settings = row.settings | {"ehlo_name": "other.example"}
    assert server_values(row)["distrusted"] is None
