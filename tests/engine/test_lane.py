"""Deliveries through a lane to a peer that behaves as each test needs."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from django.conf import settings
from django.utils.translation import override

from postroom.engine import cooldown, slot
from postroom.engine.lane import Lane
from postroom.flow.instance.reader import told
from postroom.flow.probes.probe import probe
from postroom.policy.failover import Standing
from postroom.policy.ports import Ports
from postroom.store.models import Attempt, Delivery, SmtpServer
from postroom.store.writer import StorageBusy
from postroom.terms.server import Auth, Limits, UncertainPolicy

from .conftest import CONTENT, Outbox
from .peer import Peer, StalledPeer, Visit


def on(verb: str, reply: str) -> Any:
    return lambda _visit, line: reply if line.upper().startswith(verb.upper()) else None


async def due_in_s(recipient: str) -> float:
    delivery = await Delivery.objects.aget(recipient=recipient)
    return (delivery.due_at - datetime.now(UTC)).total_seconds()


async def test_a_message_arrives_octet_for_octet_and_is_sent(outbox: Outbox) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org", "bob@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("sent")
    (taken,) = peer.taken
    assert (taken.sender, taken.recipients, taken.content) == (
        "reports@example.com", ("ann@example.org", "bob@example.org"), CONTENT
    )
    attempt = await Attempt.objects.afirst()
    assert attempt is not None
    assert (attempt.outcome, attempt.stage) == ("sent", "message")
    assert (attempt.reply_code, attempt.enhanced_code) == (250, "2.0.0")
    lines = outbox.log.read_day(datetime.now(UTC).date(), outcome="sent")
    assert {line["recipient"] for line in lines} == {"ann@example.org", "bob@example.org"}


async def test_results_are_per_recipient_and_only_the_deferred_is_tried_again(outbox: Outbox) -> None:
    def answer(_: Visit, line: str) -> str | None:
        if line.startswith("RCPT"):
            return {"b": "450 4.2.0 later", "c": "550 5.1.1 no such user"}.get(line[9])
        return None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "a@example.org", "b@example.org", "c@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("sent", "deferred", "failed")
    assert outbox.states() == [("a@example.org", "sent"), ("b@example.org", "deferred"), ("c@example.org", "failed")]
    assert peer.taken[0].recipients == ("a@example.org",)
    assert 50 < await due_in_s("b@example.org") <= 60
    failed = await Delivery.objects.aget(recipient="c@example.org")
    assert failed.finding is not None
    assert failed.cause == failed.finding["cause"] != ""
    assert failed.last_reply == "550 5.1.1 no such user"


async def test_a_connection_lost_after_the_final_dot_is_uncertain_counted_and_tried_again(outbox: Outbox) -> None:
    async with Peer(on("dot", "")) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("uncertain")
    delivery = await Delivery.objects.aget()
    assert delivery.uncertain_count == 1
    assert delivery.finding is not None
    assert 40 < await due_in_s("ann@example.org") <= 75


@pytest.mark.parametrize(
    ("purpose", "setting", "state"),
    [("report", None, "held"), ("report", UncertainPolicy.RETRY, "uncertain"), ("alert", UncertainPolicy.HOLD, "held")],
)
async def test_the_purpose_or_the_server_decides_about_uncertain_mail(
    outbox: Outbox, purpose: str, setting: UncertainPolicy | None, state: str
) -> None:
    async with Peer(on("dot", "")) as peer:
        server_id = await outbox.server(peer.port, uncertain=setting)
        await outbox.submit(server_id, "ann@example.org", purpose=purpose)
        await outbox.open_lane(server_id)
        await outbox.until(state)
    assert (await Delivery.objects.aget()).uncertain_count == 1


async def test_mail_that_would_be_held_is_marked_before_the_final_dot_and_not_sooner(outbox: Outbox) -> None:
    stages: list[str] = []

    async def answer(_: Visit, line: str) -> str | None:
        if line in ("DATA", "dot"):
            stages.append((await Attempt.objects.aget()).stage)
        return None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org", purpose="report")
        await outbox.open_lane(server_id)
        await outbox.until("sent")
    assert stages == ["", "message"]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "dot"])
async def test_a_421_anywhere_defers_and_ends_the_session(outbox: Outbox, verb: str) -> None:
    async with Peer(on(verb, "421 4.3.2 going down")) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("deferred")
        for _ in range(100):
            if peer.open == 0:
                break
            await asyncio.sleep(0.01)
        assert peer.open == 0
    assert peer.visits == 1


@pytest.mark.parametrize(
    ("verb", "stage"), [("MAIL", "sender"), ("RCPT", "recipient"), ("DATA", "message"), ("dot", "message")]
)
async def test_a_permanent_refusal_fails_the_message_and_the_session_goes_on(
    outbox: Outbox, verb: str, stage: str
) -> None:
    def answer(visit: Visit, line: str) -> str | None:
        is_first = "<first" in line or visit.sender.startswith("first")
        return "554 5.7.1 refused" if is_first and line.startswith(verb) else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port, limits=Limits(connections=1))
        await outbox.submit(server_id, "ann@example.org", reverse_path="first@example.com")
        await outbox.submit(server_id, "bob@example.org", reverse_path="second@example.com")
        await outbox.open_lane(server_id)
        await outbox.until("sent", "failed")
    assert [state for _, state in outbox.states()] == ["failed", "sent"]
    assert peer.visits == 1
    attempt = await Attempt.objects.aget(outcome="failed")
    assert (attempt.stage, attempt.reply_code) == (stage, 554)


async def test_a_server_that_cannot_be_reached_defers_never_fails_and_is_marked_failing(outbox: Outbox) -> None:
    async with Peer() as peer:
        port = peer.port
    server_id = await outbox.server(port)
    for number in range(40):
        await outbox.submit(server_id, f"r{number}@example.org")
    lane = await outbox.open_lane(server_id)
    await outbox.until("queued", "deferred", one="deferred")
    lane.nudge()
    await asyncio.sleep(0.1)
    server = await SmtpServer.objects.aget()
    assert server.failing_since is not None
    assert server.failing_finding["cause"] not in ("", "unknown")
    attempts = [a async for a in Attempt.objects.all()]
    assert len(attempts) == 1
    assert {(a.outcome, a.stage) for a in attempts} == {("deferred", "connect")}
    assert [state for _, state in outbox.states()].count("queued") == 39


async def test_a_delivery_names_the_same_cause_as_a_test_where_the_password_was_pasted_with_a_space(
    outbox: Outbox,
) -> None:
    password = "Lantern-58 "
    async with Peer(on("AUTH", "535 5.7.8 authentication failed")) as peer:
        peer.extensions.append("AUTH PLAIN")
        server_id = await outbox.server(peer.port, auth=Auth.PASSWORD, username="ann@example.com")
        server = await SmtpServer.objects.aget(pk=server_id)
        server.sealed_password = settings.VAULT.seal(password, server.typed_settings.destination.canonical())
        await server.asave()
        report = await probe(
            server.typed_settings.changed(test_recipient="bob@example.org"), password, send=True,
            default_ehlo_name="localhost",
        )
        await outbox.submit(server_id, "bob@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("deferred")
    delivery = await Delivery.objects.aget()
    assert report.finding is not None
    assert delivery.finding is not None
    assert delivery.cause == report.finding.cause
    assert delivery.finding["title"] == report.finding.title
    assert "space" in report.finding.title.lower()


async def test_a_refused_sign_in_at_mail_defers_and_marks_the_server(outbox: Outbox) -> None:
    async with Peer(on("MAIL", "530 5.7.0 Authentication required")) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("deferred")
    assert (await SmtpServer.objects.aget()).failing_since is not None
    assert await due_in_s("ann@example.org") > 60


async def test_success_clears_the_failing_mark_after_the_cool_down(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooldown, "cooldown_s", lambda *_args, **_more: 0.2)

    def answer(visit: Visit, line: str) -> str | None:
        return "554 5.3.2 not today" if visit.number == 1 and line == "greeting" else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("deferred")
        assert (await SmtpServer.objects.aget()).failing_since is not None
        await outbox.until("sent")
    server = await SmtpServer.objects.aget()
    assert (server.failing_since, server.failing_finding) == (None, None)


async def test_one_session_carries_many_messages_and_no_more_sessions_open_than_allowed(outbox: Outbox) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(connections=2))
        for number in range(60):
            await outbox.submit(server_id, f"r{number}@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("sent")
    assert len(peer.taken) == 60
    assert peer.visits <= 2
    assert peer.most_open <= 2


async def test_the_limits_of_a_server_are_kept(outbox: Outbox) -> None:
    async with Peer() as peer:
        limits = Limits(connections=1, messages_per_connection=2, recipients_per_message=3, size_bytes=len(CONTENT))
        server_id = await outbox.server(peer.port, limits=limits)
        await outbox.submit(server_id, *(f"r{number}@example.org" for number in range(12)))
        await outbox.submit(server_id, "big@example.org", content=CONTENT + b"x")
        await outbox.open_lane(server_id)
        await outbox.until("sent", "failed")
    assert [len(taken.recipients) for taken in peer.taken] == [3, 3, 3, 3]
    assert peer.visits >= 2
    assert outbox.states()[-1] == ("big@example.org", "failed")


async def test_a_server_claims_no_more_than_its_messages_per_minute(outbox: Outbox) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(messages_per_minute=120))
        for number in range(9):
            await outbox.submit(server_id, f"r{number}@example.org")
        begun_s = asyncio.get_running_loop().time()
        lane = await outbox.open_lane(server_id)
        for _ in range(30):
            lane.nudge()
            await asyncio.sleep(0.02)
        most = 1 + (asyncio.get_running_loop().time() - begun_s) / 0.5
    assert 1 <= len(peer.taken) <= most


async def test_a_session_that_the_server_closed_meanwhile_costs_no_attempt(outbox: Outbox) -> None:
    def answer(visit: Visit, line: str) -> str | None:
        return "421 4.4.2 idle too long" if visit.number == 1 and visit.content and line.startswith("MAIL") else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port, limits=Limits(connections=1))
        await outbox.submit(server_id, "ann@example.org")
        await outbox.submit(server_id, "bob@example.org", content=CONTENT + b"other\r\n")
        await outbox.open_lane(server_id)
        await outbox.until("sent")
    assert peer.visits == 2
    assert await Attempt.objects.acount() == 2


async def test_a_crowded_server_gets_fewer_sessions_and_is_not_called_failing(outbox: Outbox) -> None:
    async def answer(visit: Visit, line: str) -> str | None:
        if line == "greeting" and visit.number > 1:
            return "421 4.7.0 too many connections"
        if line == "dot":
            await asyncio.sleep(0.05)
        return None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        for number in range(12):
            await outbox.submit(server_id, f"r{number}@example.org", content=CONTENT + f"{number}\r\n".encode())
        await outbox.open_lane(server_id)
        await outbox.until("sent")
    assert len(peer.taken) == 12
    assert peer.visits > 1
    assert (await SmtpServer.objects.aget()).failing_since is None


# More than lies in the database.
BROKEN = b"Subject: x\r\n\r\n" + b"broken\r\n" * 10_000


@pytest.mark.parametrize("damage", ["gone", "torn", "changed"])
async def test_damaged_content_is_held_with_a_finding_and_others_go_on(outbox: Outbox, damage: str) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "broken@example.org", content=BROKEN)
        await outbox.submit(server_id, "whole@example.org")
        broken = await Delivery.objects.select_related("message").aget(recipient="broken@example.org")
        digest = broken.message.content_digest
        path = outbox.data / "blobs" / digest[:2] / digest
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(BROKEN[:-9] if damage == "torn" else BROKEN[:-9] + b"changed\r\n")
        await outbox.open_lane(server_id)
        await outbox.until("sent", "held")
    assert outbox.states() == [("broken@example.org", "held"), ("whole@example.org", "sent")]
    held = await Delivery.objects.aget(recipient="broken@example.org")
    assert held.cause == "content-damaged"
    assert held.finding is not None
    assert len(peer.taken) == 1


async def test_a_server_that_takes_no_deliveries_leaves_them_queued(outbox: Outbox) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await SmtpServer.objects.filter(pk=server_id).aupdate(use_unverified=False)
        await outbox.submit(server_id, "ann@example.org")
        lane = await outbox.open_lane(server_id)
        lane.nudge()
        await asyncio.sleep(0.2)
    assert outbox.states() == [("ann@example.org", "queued")]
    assert peer.visits == 0


async def test_a_port_outside_the_list_is_not_dialed(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:


    async with Peer() as peer:
        monkeypatch.setattr(settings, "SMTP_PORTS", Ports.parse("25,587"), raising=False)
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("deferred")
    assert peer.visits == 0
    assert (await Delivery.objects.aget()).cause == "port-not-allowed"


async def test_stopping_finishes_the_transactions_under_way_and_returns_the_rest(outbox: Outbox) -> None:
    async with StalledPeer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(connections=1))
        for number in range(5):
            await outbox.submit(server_id, f"r{number}@example.org", content=CONTENT + f"{number}\r\n".encode())
        lane = await outbox.open_lane(server_id)
        await asyncio.wait_for(peer.stalls.wait(), 5)
        stopping = asyncio.create_task(lane.stop(5.0))
        await asyncio.sleep(0.1)
        peer.goes_on.set()
        await stopping
        outbox.lane = None
    assert [state for _, state in outbox.states()] == ["sent"] * 2 + ["queued"] * 3
    assert len(peer.taken) == 2
    assert await Attempt.objects.acount() == 2


async def test_what_is_put_back_while_the_engine_stops_returns_to_the_queue(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def busy(_: Any) -> None:
        asked.set()
        await asyncio.sleep(0.1)
        raise StorageBusy("locked")

    monkeypatch.setattr(slot, "STORAGE_PAUSE_S", 0.01)
    monkeypatch.setattr(outbox.queue, "mark_transacting", busy)
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org", purpose="report")
        lane = await outbox.open_lane(server_id)
        await asyncio.wait_for(asked.wait(), 5)
        await lane.stop(5.0)
        outbox.lane = None
    assert outbox.states() == [("ann@example.org", "queued")]
    assert (peer.taken, await Attempt.objects.acount()) == ([], 0)


async def test_what_runs_longer_than_the_stop_limit_is_left_under_lease_for_the_next_engine(outbox: Outbox) -> None:
    at_dot = asyncio.Event()

    async def answer(_: Visit, line: str) -> str | None:
        if line == "dot":
            at_dot.set()
            await asyncio.sleep(30)
        return None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        lane = await outbox.open_lane(server_id)
        await asyncio.wait_for(at_dot.wait(), 5)
        await asyncio.wait_for(lane.stop(0.1), 2)
        outbox.lane = None
    assert outbox.states() == [("ann@example.org", "sending")]




async def test_what_waits_for_a_connection_when_the_lane_stops_was_not_sent_and_returns_untried(
    outbox: Outbox,
) -> None:
    greeted = asyncio.Event()

    async def answer(_: Visit, line: str) -> str | None:
        if line == "greeting":
            greeted.set()
            await asyncio.sleep(5)
        return None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        lane = await outbox.open_lane(server_id)
        await asyncio.wait_for(greeted.wait(), 3)
        await lane.stop(0.1)
    delivery = await Delivery.objects.aget()
    assert (delivery.state, delivery.attempt_count, delivery.uncertain_count) == ("queued", 0, 0)
    assert not lane.leases
    assert not await Attempt.objects.aexists()


class CountingSlots(asyncio.Semaphore):
    """Counts how often a session was begun."""

    begun = 0

    async def acquire(self) -> Literal[True]:
        self.begun += 1
        return await super().acquire()


async def test_a_pause_gives_back_what_was_claimed_without_haste_while_the_rest_moves_on(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_dot, moving = asyncio.Event(), asyncio.Event()

    async def answer(_: Visit, line: str) -> str | None:
        if line == "dot":
            in_dot.set()
            await asyncio.sleep(0.1)
        return None

    async def slowly_moved(_server_id: str, _to: str) -> int:
        moving.set()
        await asyncio.sleep(0.5)
        return 0

    monkeypatch.setattr(outbox.settler, "pass_on", slowly_moved)
    next_one = Standing("B", "B", False, False, position=1, takes_deliveries=True, is_failing=False)
    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port, limits=Limits(connections=1))
        for number in range(4):
            await outbox.submit(server_id, f"r{number}@example.org")
        row = await SmtpServer.objects.aget(pk=server_id)
        slots = CountingSlots(100)
        outbox.lane = Lane(row, outbox.queue, outbox.courier, outbox.settler, slots, lambda: (next_one,))
        await asyncio.wait_for(in_dot.wait(), 3)
        row.paused_at = datetime.now(UTC)
        outbox.lane.update(row)
        outbox.lane.nudge()
        await asyncio.wait_for(moving.wait(), 3)
        await asyncio.sleep(0.4)
        assert [state for _, state in outbox.states()] == ["sent", "sent", "queued", "queued"]
    assert slots.begun <= 3


async def test_what_is_stored_of_a_failed_delivery_is_told_in_the_language_of_its_reader(outbox: Outbox) -> None:
    async with Peer(on("RCPT", "550 5.1.1 no such user")) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("failed")
    delivery, attempt = await Delivery.objects.aget(), await Attempt.objects.aget()
    assert delivery.finding is not None
    with override("fr"):
        assert told(delivery.finding)["title"] != delivery.finding["title"]
        assert told(attempt.finding) == told(delivery.finding)
