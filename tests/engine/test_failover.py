"""Failover with real servers: what a server at fault leaves to the next, and what it does not."""

import asyncio
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from tests.outbox import add_server

from postroom.engine import cooldown
from postroom.flow.delivery.closer_look import CloserLook
from postroom.store.models import Attempt, Delivery, SmtpServer
from postroom.terms.finding import Finding
from postroom.terms.outcome import DeliveryState
from postroom.terms.server import Auth, Limits, Security, ServerSettings
from postroom.terms.test_mode import Extent, TestMode

from .conftest import Outbox
from .peer import Answer, Peer, Visit
from .running import Running


async def server(outbox: Outbox, name: str, port: int, position: int, **values: Any) -> str:
    chosen = ServerSettings(
        name=name, host="127.0.0.1", port=port, security=Security.NONE, from_address="reports@example.com", **values
    )
    sealed = settings.VAULT.seal("secret-word", chosen.destination.canonical()) if chosen.auth is Auth.PASSWORD else ""
    return await asyncio.to_thread(
        add_server, outbox.database, chosen, is_default=position == 0, position=position, sealed_password=sealed
    )


def refusing_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def recipients(peer: Peer) -> list[str]:
    return sorted(recipient for taken in peer.taken for recipient in taken.recipients)


def reply(verb: str, text: str) -> Answer:
    return lambda _visit, line: text if line.upper().startswith(verb.upper()) else None


async def attempts(recipient: str) -> list[tuple[str, str, str]]:
    rows = Attempt.objects.filter(delivery__recipient=recipient).order_by("number")
    return [(row.server_name, row.outcome, row.moved_to) async for row in rows]


@pytest.mark.parametrize(
    "broken",
    [
        reply("greeting", "421 4.3.2 closing"), reply("AUTH", "535 5.7.8 no"), reply("MAIL", "530 5.7.0 sign in"),
        reply("MAIL", "550 5.4.5 Daily user sending limit exceeded"), reply("EHLO", ""),
    ],
)
async def test_a_server_at_fault_leaves_its_mail_to_the_next_and_everybody_gets_it_once(
    outbox: Outbox, running: Running, broken: Answer
) -> None:
    async with Peer(broken) as first, Peer() as second:
        first.extensions.append("AUTH PLAIN")
        home = await server(outbox, "First", first.port, 0, auth=Auth.PASSWORD, username="u", allow_plain_auth=True)
        await server(outbox, "Second", second.port, 1)
        everybody = [f"r{number}@example.org" for number in range(40)]
        for recipient in everybody:
            await outbox.submit(home, recipient)
        await running.start()
        await outbox.until("sent", within_s=8)
        assert recipients(second) == sorted(everybody)
        assert not first.taken
        assert first.visits <= 2


async def test_a_server_in_test_mode_takes_no_mail_over(outbox: Outbox, running: Running) -> None:
    async with Peer() as second, Peer() as third:
        home = await server(outbox, "First", refusing_port(), 0)
        tested = await SmtpServer.objects.aget(pk=await server(outbox, "Second", second.port, 1))
        tested.test_mode = TestMode(Extent.SERVER, "me@example.org", datetime.max.replace(tzinfo=UTC)).as_json()
        await tested.asave()
        await server(outbox, "Third", third.port, 2)
        await outbox.submit(home, "ann@example.org")
        await running.start()
        await outbox.until("sent")
    assert (recipients(second), recipients(third)) == ([], ["ann@example.org"])


async def test_a_refused_connection_is_told_in_the_attempt_and_in_the_activity_log(
    outbox: Outbox, running: Running
) -> None:
    async with Peer() as second:
        home = await server(outbox, "First", refusing_port(), 0)
        await server(outbox, "Second", second.port, 1)
        await outbox.submit(home, "ann@example.org")
        await running.start()
        await outbox.until("sent")
    assert await attempts("ann@example.org") == [("First", "deferred", "Second"), ("Second", "sent", "")]
    assert await _is_failing("First")
    (line,) = [e for e in outbox.log.read_day(datetime.now(UTC).date()) if e.get("delivery") and e.get("moved_to")]
    assert (line["server"], line["moved_to"], line["outcome"]) == ("First", "Second", "deferred")


async def _is_failing(name: str) -> bool:
    return (await SmtpServer.objects.aget(name=name)).failing_since is not None


async def test_ten_thousand_that_wait_for_a_dead_server_move_in_one_line_and_delay_nobody(
    outbox: Outbox, running: Running
) -> None:
    async with Peer() as second:
        home = await server(outbox, "First", refusing_port(), 0)
        other = await server(outbox, "Second", second.port, 1)
        await outbox.submit(home, "seed@example.org")
        seed = await Delivery.objects.select_related("message").aget()
        await Delivery.objects.abulk_create(
            Delivery(message=seed.message, recipient=f"r{n}@example.org", due_at=seed.due_at, server_id=home,
                     updated_at=seed.updated_at, state=DeliveryState.QUEUED)
            for n in range(10_000)
        )
        await running.start()
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(0.3)
        await outbox.submit(other, "quick@example.org", priority=5)
        while "quick@example.org" not in recipients(second):
            assert asyncio.get_running_loop().time() - began < 5
            await asyncio.sleep(0.02)
        while await Delivery.objects.filter(server_id=home).aexists():
            assert asyncio.get_running_loop().time() - began < 15
            await asyncio.sleep(0.05)
    moved = [e for e in outbox.log.read_day(datetime.now(UTC).date(), limit=20_000) if e["outcome"] == "moved"]
    assert len(moved) <= 2
    assert moved[-1]["server"] == "First"
    assert moved[-1]["moved_to"] == "Second"


async def test_a_refused_recipient_is_asked_nowhere_else(outbox: Outbox, running: Running) -> None:
    async with Peer(reply("RCPT", "550 5.1.1 unknown")) as first, Peer() as second:
        home = await server(outbox, "First", first.port, 0)
        await server(outbox, "Second", second.port, 1)
        await outbox.submit(home, "ann@example.org")
        await running.start()
        await outbox.until("failed")
        assert second.visits == 0


async def test_what_names_its_server_waits_for_it(outbox: Outbox, running: Running) -> None:
    async with Peer() as second:
        home = await server(outbox, "First", refusing_port(), 0)
        await server(outbox, "Second", second.port, 1)
        await outbox.submit(home, "named@example.org", pinned=True)
        await outbox.submit(home, "free@example.org")
        await running.start()
        await outbox.until("sent", "deferred", "queued", one="sent")
        await asyncio.sleep(1.2)
        assert recipients(second) == ["free@example.org"]
    assert (await Delivery.objects.aget(recipient="named@example.org")).server_id == home


async def test_what_may_have_been_sent_never_moves(outbox: Outbox, running: Running) -> None:
    def answer(visit: Visit, line: str) -> str | None:
        return "" if line == "dot" else "421 4.3.2 closing" if visit.number > 1 and line == "greeting" else None

    async with Peer(answer) as first, Peer() as second:
        home = await server(outbox, "First", first.port, 0)
        await server(outbox, "Second", second.port, 1)
        await outbox.submit(home, "ann@example.org")
        await running.start()
        await outbox.until("uncertain")
        await Delivery.objects.aupdate(due_at=datetime.now(UTC))
        await outbox.until("deferred")
        await asyncio.sleep(1.2)
        assert second.visits == 0
    assert (await Delivery.objects.aget()).server_id == home


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "dot"])
async def test_what_a_stand_in_says_of_sender_or_content_sends_the_mail_home(
    outbox: Outbox, running: Running, verb: str
) -> None:
    async with Peer(reply(verb, "554 5.7.1 this sender is not ours")) as second:
        home = await server(outbox, "First", refusing_port(), 0)
        await server(outbox, "Second", second.port, 1)
        await outbox.submit(home, "ann@example.org")
        await running.start()
        for _ in range(100):
            if len(await attempts("ann@example.org")) == 2 and outbox.states()[0][1] == "deferred":
                break
            await asyncio.sleep(0.03)
        await asyncio.sleep(1.2)
        assert second.visits == 1
    delivery = await Delivery.objects.aget()
    assert (delivery.server_id, delivery.state) == (home, "deferred")
    assert delivery.last_reply == "554 5.7.1 this sender is not ours"
    assert await attempts("ann@example.org") == [("First", "deferred", "Second"), ("Second", "failed", "")]
    assert (delivery.due_at - datetime.now(UTC)).total_seconds() > 60


async def test_a_default_that_recovers_takes_mail_again(
    outbox: Outbox, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooldown, "cooldown_s", lambda *_args, **_more: 0.3)
    is_down = True

    def answer(_: Visit, line: str) -> str | None:
        return "421 4.3.2 closing" if is_down and line == "greeting" else None

    async with Peer(answer) as first, Peer() as second:
        home = await server(outbox, "First", first.port, 0)
        await server(outbox, "Second", second.port, 1)
        await outbox.submit(home, "during@example.org")
        await running.start()
        await outbox.until("sent")
        is_down = False
        await asyncio.sleep(0.4)
        await outbox.submit(home, "after@example.org")
        await outbox.until("sent")
        assert recipients(first) == ["after@example.org"]
        assert recipients(second) == ["during@example.org"]
    assert not await _is_failing("First")


async def test_a_server_that_fails_is_tried_with_one_message_while_the_others_go_on(
    outbox: Outbox, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooldown, "cooldown_s", lambda *_args, **_more: 0.3)
    asked = asyncio.Event()

    async def answer(visit: Visit, line: str) -> str | None:
        if line == "greeting" and visit.number > 1:
            asked.set()
            await asyncio.sleep(1.5)
        return "421 4.3.2 closing" if line == "greeting" else None

    async with Peer(answer) as first, Peer() as second:
        home = await server(outbox, "First", first.port, 0)
        await server(outbox, "Second", second.port, 1)
        await outbox.submit(home, "first@example.org")
        await running.start()
        await outbox.until("sent")
        await asyncio.sleep(0.4)
        for number in range(20):
            await outbox.submit(home, f"r{number}@example.org")
        await asyncio.wait_for(asked.wait(), 3)
        await asyncio.sleep(0.9)
        assert len(recipients(second)) == 20
        await outbox.until("sent")
        assert len(recipients(second)) == 21


async def test_mail_of_a_server_that_is_switched_off_goes_on_through_the_next(
    outbox: Outbox, running: Running
) -> None:
    async with Peer() as first, Peer() as second:
        home = await server(outbox, "First", first.port, 0)
        await server(outbox, "Second", second.port, 1)
        await SmtpServer.objects.filter(pk=home).aupdate(enabled=False)
        await outbox.submit(home, "ann@example.org")
        await running.start()
        await outbox.until("sent")
        assert first.visits == 0
    assert (await Delivery.objects.select_related("message").aget()).message.server_id == home


async def test_without_a_server_that_is_well_the_mail_waits_at_home(outbox: Outbox, running: Running) -> None:
    home = await server(outbox, "First", refusing_port(), 0)
    await server(outbox, "Second", refusing_port(), 1)
    await outbox.submit(home, "ann@example.org")
    await running.start()
    for _ in range(100):
        if len(await attempts("ann@example.org")) == 2 and outbox.states()[0][1] == "deferred":
            break
        await asyncio.sleep(0.03)
    await asyncio.sleep(1.2)
    assert await attempts("ann@example.org") == [("First", "deferred", "Second"), ("Second", "deferred", "")]
    assert (await Delivery.objects.aget()).server_id == home


async def test_what_exceeds_the_limit_of_a_day_goes_through_the_next(outbox: Outbox, running: Running) -> None:
    async with Peer() as first, Peer() as second:
        home = await server(outbox, "First", first.port, 0, limits=Limits(messages_per_day=3))
        await server(outbox, "Second", second.port, 1)
        for number in range(8):
            await outbox.submit(home, f"r{number}@example.org")
        await running.start()
        await outbox.until("sent")
    assert (len(first.taken), len(second.taken)) == (3, 5)
    assert not await _is_failing("First")


async def test_a_stand_in_that_works_again_is_found_when_no_other_server_is_well(
    outbox: Outbox, running: Running
) -> None:
    async with Peer() as second:
        home = await server(outbox, "First", refusing_port(), 0)
        other = await server(outbox, "Second", second.port, 1)
        await SmtpServer.objects.filter(pk=other).aupdate(failing_since=datetime.now(UTC), failing_finding={})
        for number in range(5):
            await outbox.submit(home, f"r{number}@example.org")
        await running.start()
        await outbox.until("sent")
        assert len(recipients(second)) == 5
    assert not await _is_failing("Second")


async def test_mail_that_keeps_coming_for_a_dead_server_does_not_flood_the_activity_log(
    outbox: Outbox, running: Running
) -> None:
    async with Peer() as second:
        home = await server(outbox, "First", refusing_port(), 0)
        await server(outbox, "Second", second.port, 1)
        await running.start()
        for number in range(30):
            await outbox.submit(home, f"r{number}@example.org")
            await asyncio.sleep(0.05)
        await outbox.until("sent")
        lines = outbox.log.read_day(datetime.now(UTC).date(), outcome="moved")
        assert len(lines) <= 1
        await running.stop()
    lines = outbox.log.read_day(datetime.now(UTC).date(), outcome="moved")
    assert sum(int(line["title"].rsplit(" ", 1)[1]) for line in lines) == 29


@pytest.mark.parametrize("idle", [{"enabled": False}, {"paused_at": datetime(2026, 11, 1, tzinfo=UTC)}, {}])
async def test_a_failing_server_is_tried_with_the_mail_of_one_that_is_out_of_use_or_has_sent_its_day(
    outbox: Outbox, running: Running, idle: dict[str, Any]
) -> None:
    async with Peer() as first, Peer() as second:
        spent = Limits() if idle else Limits(messages_per_day=1)
        home = await server(outbox, "First", first.port, 0, limits=spent)
        other = await server(outbox, "Second", second.port, 1)
        await SmtpServer.objects.filter(pk=home).aupdate(**{"enabled": True, **idle})
        await SmtpServer.objects.filter(pk=other).aupdate(failing_since=datetime.now(UTC), failing_finding={})
        for number in range(5):
            await outbox.submit(home, f"r{number}@example.org")
        await running.start()
        await outbox.until("sent")
        assert len(recipients(second)) == (5 if idle else 4)
    assert not await _is_failing("Second")


async def test_mail_moves_although_the_closer_look_at_the_dead_server_breaks(
    outbox: Outbox, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> Finding:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(CloserLook, "finding", broken)
    async with Peer() as second:
        home = await server(outbox, "First", refusing_port(), 0)
        await server(outbox, "Second", second.port, 1)
        await outbox.submit(home, "ann@example.org")
        await running.start()
        await outbox.until("sent")
    delivery = await Delivery.objects.aget()
    assert delivery.uncertain_count == 0
    assert await _is_failing("First")
