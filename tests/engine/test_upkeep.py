"""What the engine does for servers from time to time: the nightly check, and the end of a pause."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.outbox import add_server

from postroom.engine import engine as module
from postroom.store.models import ServerTest, SmtpServer
from postroom.terms.server import Security, ServerSettings

from .conftest import Outbox
from .peer import Peer, Visit
from .running import Running


async def test_the_nightly_check_looks_at_one_server_after_the_other_and_marks_what_fails(
    outbox: Outbox, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UPKEEP_S", 0.1)
    at_once, most = 0, 0

    async def answer(_: Visit, line: str) -> None:
        nonlocal at_once, most
        if line == "greeting":
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.2)
            at_once -= 1

    async with Peer(answer) as good, Peer(answer) as other:
        names = {"Good": good.port, "Other": other.port, "Dead": 1, "Off": 2}
        for position, (name, port) in enumerate(names.items()):
            await asyncio.to_thread(
                add_server, outbox.database,
                ServerSettings(
                    name=name, host="127.0.0.1", port=port, security=Security.NONE, from_address="a@example.com",
                    test_recipient="ann@example.org",
                ),
                is_default=position == 0, position=position, enabled=name != "Off",
            )
        await running.start(checked_at=datetime.now(UTC) - timedelta(hours=25))
        for _ in range(100):
            rows = {s.name: s async for s in SmtpServer.objects.all()}
            if rows["Dead"].failing_since is not None:
                break
            await asyncio.sleep(0.05)
        assert not good.taken
    assert most == 1
    assert rows["Dead"].failing_finding is not None
    assert rows["Dead"].failing_finding["stage"] == "connect"
    assert [name for name, row in rows.items() if row.checked_at is not None] == ["Good", "Other"]
    assert {t.created_by async for t in ServerTest.objects.all()} == {"nightly check"}
    failed = outbox.log.read_day(datetime.now(UTC).date(), outcome="failed")
    assert [line["server"] for line in failed] == ["Dead"]


async def test_a_check_of_today_is_not_repeated_when_the_engine_starts_again(
    outbox: Outbox, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UPKEEP_S", 0.05)
    async with Peer() as peer:
        await outbox.server(peer.port)
        await running.start()
        await asyncio.sleep(0.4)
    assert not await ServerTest.objects.aexists()


async def test_a_paused_server_goes_on_by_itself_and_the_activity_log_says_so(
    outbox: Outbox, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UPKEEP_S", 0.1)
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        now = datetime.now(UTC)
        await SmtpServer.objects.aupdate(paused_at=now, paused_until=now + timedelta(seconds=0.6), paused_by="Jonas")
        await outbox.submit(server_id, "ann@example.org")
        await running.start()
        await asyncio.sleep(0.3)
        assert outbox.states() == [("ann@example.org", "queued")]
        await outbox.until("sent", within_s=4)
    (line,) = outbox.log.read_day(datetime.now(UTC).date(), outcome="resumed")
    assert line["server"] == "Peer"
