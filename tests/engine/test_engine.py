"""The engine as a whole, in this process: recovery, routing, the chores, the heartbeat, tests of servers."""

import asyncio
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError
from tests.outbox import add_server

from postroom.engine import engine as module
from postroom.engine import server_tests
from postroom.flow.probes import run_test
from postroom.policy.ports import Ports
from postroom.store.models import Attempt, Delivery, InstanceValue, ServerTest, SmtpServer
from postroom.store.queue import Claimed, Claims
from postroom.terms.outcome import TestStatus
from postroom.terms.server import Auth, Security, ServerSettings, UncertainPolicy

from .conftest import Outbox
from .peer import Peer, Visit
from .running import Running


async def claimed_by_a_dead_engine(outbox: Outbox, server_id: str) -> tuple[Claimed, ...]:
    now = datetime.now(UTC)
    return (await outbox.queue.claim(server_id, now=now, lease_until=now + timedelta(hours=1), limit=9)).claimed


async def test_mail_leaves_soon_after_it_is_queued_and_the_heartbeat_says_so(outbox: Outbox, running: Running) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await running.start()
        await outbox.submit(server_id, "ann@example.org")
        await outbox.until("sent", within_s=3)
        beat = (await InstanceValue.objects.aget(name="engine_heartbeat")).value
        assert beat["state"] == "running"
        assert datetime.now(UTC) - datetime.fromisoformat(beat["at"]) < timedelta(seconds=10)
    await running.stop()
    assert (await InstanceValue.objects.aget(name="engine_heartbeat")).value["state"] == "stopped"


async def test_what_a_killed_engine_had_claimed_is_uncertain_and_tried_again_at_once(
    outbox: Outbox, running: Running
) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        assert len(await claimed_by_a_dead_engine(outbox, server_id)) == 1
        await running.start()
        await outbox.until("sent", within_s=3)
    delivery = await Delivery.objects.aget()
    assert (delivery.uncertain_count, delivery.attempt_count) == (1, 2)
    first = await Attempt.objects.aget(number=1)
    assert (first.outcome, first.cause) == ("uncertain", "engine-stopped")


async def test_a_report_whose_content_may_have_left_is_held_and_one_that_was_only_claimed_goes_on(
    outbox: Outbox, running: Running
) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "left@example.org", purpose="report")
        (left,) = await claimed_by_a_dead_engine(outbox, server_id)
        await outbox.queue.mark_transacting([left.lease])
        await outbox.submit(server_id, "claimed@example.org", purpose="report")
        assert len(await claimed_by_a_dead_engine(outbox, server_id)) == 1
        await running.start()
        await outbox.until("sent", "held", within_s=3)
    assert outbox.states() == [("left@example.org", "held"), ("claimed@example.org", "sent")]
    counts = [d.uncertain_count async for d in Delivery.objects.order_by("pk")]
    assert counts == [1, 0]


async def test_waiting_mail_without_a_server_goes_to_the_default(outbox: Outbox, running: Running) -> None:
    async with Peer() as peer, Peer() as other:
        await asyncio.to_thread(
            add_server, outbox.database,
            ServerSettings(name="Other", host="127.0.0.1", port=other.port, security=Security.NONE),
            is_default=False,
        )
        await outbox.server(peer.port)
        await outbox.submit(None, "ann@example.org")
        await running.start()
        await outbox.until("sent", within_s=3)
    assert (len(peer.taken), len(other.taken)) == (1, 0)


async def test_an_expired_message_fails_with_the_last_reply_as_evidence(
    outbox: Outbox, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHORES_S", 0.1)
    server_id = await outbox.server(1)
    await SmtpServer.objects.aupdate(enabled=False)
    await outbox.submit(server_id, "ann@example.org", expires_at=datetime.now(UTC) + timedelta(seconds=0.3))
    await Delivery.objects.aupdate(last_reply="451 4.7.1 Greylisted")
    await running.start()
    await outbox.until("failed", within_s=3)
    delivery = await Delivery.objects.aget()
    assert delivery.cause == "queue-expired"
    assert delivery.finding is not None
    assert delivery.finding["evidence"] == ["451 4.7.1 Greylisted"]
    (line,) = outbox.log.read_day(datetime.now(UTC).date(), cause="queue-expired")
    assert line["recipient"] == "ann@example.org"


async def test_a_server_switched_on_while_the_engine_runs_takes_its_mail(outbox: Outbox, running: Running) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await SmtpServer.objects.aupdate(enabled=False)
        await outbox.submit(server_id, "ann@example.org")
        await running.start()
        await asyncio.sleep(0.3)
        assert outbox.states() == [("ann@example.org", "queued")]
        await SmtpServer.objects.aupdate(enabled=True)
        await outbox.until("sent", within_s=3)


async def test_changed_settings_are_used_for_the_next_message(outbox: Outbox, running: Running) -> None:
    async with Peer() as first, Peer() as second:
        server_id = await outbox.server(first.port)
        await running.start()
        await outbox.submit(server_id, "ann@example.org")
        await outbox.until("sent", within_s=3)
        server = await SmtpServer.objects.aget()
        server.settings = {**server.settings, "port": second.port}
        await server.asave()
        await asyncio.sleep(0.8)
        await outbox.submit(server_id, "bob@example.org")
        await outbox.until("sent", within_s=3)
    assert (len(first.taken), len(second.taken)) == (1, 1)


async def ended_test(test: ServerTest) -> ServerTest:
    for _ in range(400):
        await test.arefresh_from_db()
        if test.is_over:
            break
        await asyncio.sleep(0.02)
    return test


async def new_test(port: int, server_id: str | None = None, **values: object) -> ServerTest:
    chosen = ServerSettings(
        name="Peer", host="127.0.0.1", port=port, security=Security.NONE, from_address="reports@example.com",
        test_recipient="me@example.org",
    )
    return await ServerTest.objects.acreate(
        server_id=server_id, settings=chosen.changed(**values).as_json(), created_by="ann"
    )


async def test_a_test_of_a_server_passes_verifies_it_and_leaves_its_logs(outbox: Outbox, running: Running) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, test_recipient="me@example.org")
        await running.start()
        test = await ended_test(await new_test(peer.port, server_id))
    assert test.status == TestStatus.PASSED, test.finding
    assert [taken.recipients for taken in peer.taken] == [("me@example.org",)]
    assert (await SmtpServer.objects.aget()).is_verified
    day = test.created_at.date()
    log = (outbox.data / "logs" / day.isoformat() / "tests" / f"{test.pk}.log").read_text()
    assert "RCPT TO:<me@example.org>" in log
    (line,) = [entry for entry in outbox.log.read_day(day) if entry["kind"] == "test"]
    assert (line["outcome"], line["test"]) == ("passed", test.pk)


async def test_a_failed_test_has_a_finding_and_its_stages(outbox: Outbox, running: Running) -> None:
    async with Peer(lambda _visit, line: "550 5.7.1 no" if line.startswith("RCPT") else None) as peer:
        await running.start()
        test = await ended_test(await new_test(peer.port))
    assert test.status == TestStatus.FAILED
    assert test.finding["cause"]
    assert {s["name"]: s["status"] for s in test.stages}["recipient"] == "failed"
    (line,) = outbox.log.read_day(test.created_at.date(), outcome="failed")
    assert (line["stage"], line["severity"]) == ("recipient", "error")


async def test_a_test_can_be_stopped_while_the_server_is_silent(running: Running) -> None:
    async def silent(_: object, line: str) -> str | None:
        await asyncio.sleep(20 if line == "greeting" else 0)
        return None

    async with Peer(silent) as peer:
        await running.start()
        test = await new_test(peer.port)
        for _ in range(200):
            if (await ServerTest.objects.aget()).stages:
                break
            await asyncio.sleep(0.02)
        await ServerTest.objects.aupdate(stop_requested=True)
        test = await ended_test(test)
    assert test.status == TestStatus.STOPPED
    assert {s["name"]: s["status"] for s in test.stages}["greeting"] == "not-reached"


async def test_a_test_of_a_port_outside_the_list_dials_nobody(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SMTP_PORTS", Ports.parse("25"))
    async with Peer() as peer:
        await running.start()
        test = await ended_test(await new_test(peer.port))
    assert (test.status, test.finding["cause"], peer.visits) == (TestStatus.FAILED, "port-not-allowed", 0)


async def test_a_test_that_a_killed_engine_had_begun_is_run_again(running: Running) -> None:
    async with Peer() as peer:
        test = await new_test(peer.port)
        await ServerTest.objects.aupdate(status=TestStatus.RUNNING, started_at=datetime.now(UTC))
        await running.start()
        assert (await ended_test(test)).status == TestStatus.PASSED


async def test_a_password_that_cannot_be_read_is_a_finding_not_a_crash(outbox: Outbox, running: Running) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, auth=Auth.PASSWORD, username="ann", uncertain=UncertainPolicy.HOLD)
        await SmtpServer.objects.aupdate(sealed_password="v1.k1.AAAA", secret_id="1")
        await outbox.submit(server_id, "ann@example.org")
        await running.start()
        test = await new_test(peer.port, None, auth=Auth.PASSWORD, username="ann")
        await ServerTest.objects.aupdate(sealed_password="v1.k1.AAAA")
        test = await ended_test(test)
        await outbox.until("deferred", within_s=3)
    assert peer.visits == 0
    causes = {(await Delivery.objects.aget()).cause, (await SmtpServer.objects.aget()).failing_finding["cause"]}
    assert causes == {"password-unreadable"}
    assert json.dumps(test.finding).count("AAAA") == 0


async def test_black_holes_delay_no_mail_of_another_server(outbox: Outbox, running: Running) -> None:
    async def silent(_: object, line: str) -> str | None:
        await asyncio.sleep(20 if line == "greeting" else 0)
        return None

    async with Peer() as good, Peer(silent) as hole:
        holes = [
            await asyncio.to_thread(
                add_server, outbox.database,
                ServerSettings(name=f"Hole {n}", host="127.0.0.1", port=hole.port, security=Security.NONE),
                is_default=False,
            )
            for n in range(8)
        ]
        server_id = await outbox.server(good.port)
        for number in range(40):
            await outbox.submit(holes[number % 8], f"stuck{number}@example.org")
        await running.start()
        await asyncio.sleep(0.5)
        began = asyncio.get_running_loop().time()
        for number in range(20):
            await outbox.submit(server_id, f"r{number}@example.org")
        while len(good.taken) < 20:
            assert asyncio.get_running_loop().time() < began + 2
            await asyncio.sleep(0.01)
        assert hole.visits == 8


async def test_a_passed_test_ends_the_time_for_which_a_failing_server_is_left_alone(
    outbox: Outbox, running: Running
) -> None:
    refusing = True

    def answer(_: object, line: str) -> str | None:
        return "530 5.7.0 Authentication required" if refusing and line.startswith("MAIL") else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port, test_recipient="me@example.org")
        await outbox.submit(server_id, "ann@example.org")
        await running.start()
        await outbox.until("deferred", within_s=3)
        await outbox.submit(server_id, "bob@example.org")
        await asyncio.sleep(1.2)
        assert dict(outbox.states())["bob@example.org"] == "queued"
        refusing = False
        assert (await ended_test(await new_test(peer.port, server_id))).status == TestStatus.PASSED
        await outbox.until("sent", "deferred", one="sent", within_s=4)
    assert dict(outbox.states())["bob@example.org"] == "sent"
    assert (await SmtpServer.objects.aget()).failing_since is None


async def test_a_removed_server_leaves_its_waiting_mail_to_the_default(outbox: Outbox, running: Running) -> None:
    async with Peer() as peer:
        gone = await asyncio.to_thread(
            add_server, outbox.database,
            ServerSettings(name="Gone", host="127.0.0.1", port=1, security=Security.NONE),
            is_default=False, enabled=False,
        )
        default = await outbox.server(peer.port)
        await SmtpServer.objects.filter(pk=default).aupdate(enabled=False)
        await outbox.submit(gone, "ann@example.org")
        await outbox.submit(gone, "named@example.org", pinned=True)
        await running.start()
        await asyncio.sleep(0.3)
        await SmtpServer.objects.filter(pk=gone).adelete()
        await SmtpServer.objects.filter(pk=default).aupdate(enabled=True)
        await outbox.until("sent", "queued", one="sent", within_s=4)
    assert [taken.recipients for taken in peer.taken] == [("ann@example.org",)]


async def test_d12_a_lane_that_breaks_lets_the_transactions_of_the_others_end(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_dot, has_broken, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(_: Visit, line: str) -> None:
        if line == "dot":
            at_dot.set()
            await go.wait()

    claim, broken = outbox.queue.claim, ""

    async def claimed(server_id: str, **values: Any) -> Claims:
        if server_id == broken:
            has_broken.set()
            raise RuntimeError("this lane is broken")
        return await claim(server_id, **values)

    monkeypatch.setattr(outbox.queue, "claim", claimed)
    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        other = ServerSettings(name="Other", host="127.0.0.1", port=peer.port, security=Security.NONE)
        other_id = await asyncio.to_thread(add_server, outbox.database, other)
        running = Running(outbox)
        await running.start()
        await asyncio.wait_for(at_dot.wait(), 5)
        broken = other_id
        await InstanceValue.objects.acreate(name="first", value="a change wakes every lane")
        await asyncio.wait_for(has_broken.wait(), 5)
        await InstanceValue.objects.acreate(name="second", value="the engine looks at its lanes")
        asyncio.get_running_loop().call_later(0.4, go.set)
        with pytest.raises(RuntimeError, match="this lane is broken"):
            await running.ended()
    assert outbox.states() == [("ann@example.org", "sent")]


@pytest.mark.parametrize(
    "error", [OperationalError("database is locked"), sqlite3.OperationalError("Could not decode to UTF-8")]
)
async def test_d6_d9_a_database_that_is_locked_or_can_not_be_read_does_not_end_the_engine(
    outbox: Outbox, running: Running, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    read, fails = module._servers, iter([False, True, True])

    def locked_at_times() -> object:
        if next(fails, False):
            raise error
        return read()

    monkeypatch.setattr(module, "_servers", locked_at_times)
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await running.start()
        await outbox.submit(server_id, "ann@example.org")
        await outbox.until("sent", within_s=5)
        assert next(fails, None) is None


async def test_d6_what_a_test_came_to_is_stored_when_the_database_answers_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, fails = run_test.record_test_result, iter([True, True])

    def stored_at_last(*values: Any) -> None:
        if next(fails, False):
            raise OperationalError("database is locked")
        store(*values)

    monkeypatch.setattr(run_test, "STORE_AGAIN_S", 0.05)
    monkeypatch.setattr(run_test, "record_test_result", stored_at_last)
    async with Peer() as peer:
        await running.start()
        assert (await ended_test(await new_test(peer.port))).status == TestStatus.PASSED
        assert len(peer.taken) == 1


async def test_a_test_that_postroom_itself_breaks_does_not_run_for_ever(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(run_test, "probe", broken)
    await running.start()
    test = await ended_test(await new_test(25))
    assert (test.status, test.finding["cause"]) == (TestStatus.FAILED, "unknown")


async def test_a_test_whose_claim_was_stored_unseen_is_taken_up(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, fails = server_tests.claim_test, iter([True])

    def claimed_unseen() -> ServerTest | None:
        test = claim()
        if test is not None and next(fails, False):
            raise OperationalError("disk I/O error")
        return test

    monkeypatch.setattr(server_tests, "claim_test", claimed_unseen)
    async with Peer() as peer:
        await running.start()
        assert (await ended_test(await new_test(peer.port))).status == TestStatus.PASSED
