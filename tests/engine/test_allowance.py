"""How fast a lane goes: its server's limits, and a server that asks for less."""

import asyncio
import tracemalloc
from datetime import timedelta

import pytest
from django.utils import timezone

from postroom.engine import cooldown
from postroom.engine.allowance import Allowance, Held
from postroom.policy.rate import AT_ONCE
from postroom.policy.throttle import STEP_S
from postroom.store.models import Attempt, Delivery, SendRate
from postroom.terms.envelope import RecipientResult
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply
from postroom.terms.server import Limits

from .conftest import Outbox
from .peer import Peer, StalledPeer, Visit

SLOW_DOWN = RecipientResult(
    "ann@example.org", Outcome.DEFERRED, Stage.SENDER, Reply(451, ("4.7.500 Server busy",))
)


class Clocks:
    def __init__(self) -> None:
        self.s = 1_000.0
        self.wall = timezone.now()

    def allowance(self) -> Allowance:
        return Allowance(lambda: self.wall, lambda: self.s)

    def go_on(self, seconds: float) -> None:
        self.s += seconds
        self.wall += timedelta(seconds=seconds)


def test_a_limit_that_lets_nothing_through_is_known_until_it_does() -> None:
    clocks = Clocks()
    allowance = clocks.allowance()
    allowance.claimed(1, Held("messages_per_minute", clocks.wall + timedelta(seconds=2)))
    assert allowance.held is not None
    assert allowance.next_look_s() == pytest.approx(2)
    assert not allowance.is_day_spent
    clocks.go_on(2)
    assert allowance.held is None
    assert allowance.next_look_s() == 0, "or nobody looks again where it ended before the first question"
    assert allowance.next_look_s() is None
    allowance.claimed(1, Held("messages_per_day", clocks.wall + timedelta(days=1)))
    assert allowance.is_day_spent
    allowance.given_back()
    assert not allowance.is_day_spent


def test_a_clock_that_is_set_back_holds_nothing_longer_than_the_limit_said() -> None:
    clocks = Clocks()
    allowance = clocks.allowance()
    allowance.claimed(1, Held("messages_per_minute", clocks.wall + timedelta(seconds=2)))
    clocks.wall -= timedelta(hours=1)
    assert allowance.next_look_s() == pytest.approx(2)
    assert allowance.held is not None
    clocks.go_on(2)
    assert allowance.held is None


def test_a_server_that_asks_for_less_gets_half_and_little_by_little_all_again() -> None:
    clocks = Clocks()
    allowance = clocks.allowance()
    allowance.claimed(100, None)
    assert allowance.results([SLOW_DOWN], 4)
    assert not allowance.results([SLOW_DOWN], 4)
    assert allowance.sessions(4) == 2
    assert allowance.limits(Limits()).messages_per_minute == 300
    assert allowance.slowed_reply == "451 4.7.500 Server busy"
    for _ in range(40):
        clocks.go_on(STEP_S)
        allowance.sessions(4)
    assert allowance.limits(Limits()) == Limits()
    assert (allowance.slowed_at, allowance.slowed_reply, allowance.rate) == (None, "", None)


def test_a_change_of_the_server_and_another_reply_slow_nothing_down() -> None:
    clocks = Clocks()
    allowance = clocks.allowance()
    greylisted = RecipientResult("a@example.org", Outcome.DEFERRED, Stage.RECIPIENT, Reply(450, ("4.2.0 Greylisted",)))
    assert not allowance.results([greylisted], 4)
    allowance.results([SLOW_DOWN], 4)
    allowance.forget()
    assert allowance.sessions(4) == 4


def test_b14_what_was_claimed_long_ago_is_not_remembered() -> None:
    clocks = Clocks()
    allowance = clocks.allowance()
    tracemalloc.start()
    try:
        for _ in range(20_000):
            clocks.go_on(0.05)
            allowance.claimed(16, None)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 20_000
    assert allowance.results([SLOW_DOWN], 4)
    assert allowance.rate == pytest.approx(16 / 0.05 * 60 / 2, rel=0.1)


def test_of_connections_that_engines_share_an_engine_has_its_share_and_none_before_or_after() -> None:
    clocks = Clocks()
    allowance = clocks.allowance()
    assert (allowance.sessions(4), allowance.sessions(4, is_shared=True)) == (4, 0)
    allowance.share(3, clocks.s + 15)
    assert allowance.sessions(4, is_shared=True) == 3
    clocks.go_on(15)
    assert allowance.sessions(4, is_shared=True) == 0, "somebody else may have it now"


async def test_a_throttled_delivery_is_put_off_and_the_server_gets_less(outbox: Outbox) -> None:
    def answer(_: Visit, line: str) -> str | None:
        return "451 4.7.500 Server busy" if line.startswith("MAIL") else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        lane = await outbox.open_lane(server_id)
        await outbox.until("deferred")
        assert lane.allowance.rate is not None
        assert lane.limit == 1
        assert lane.standing.is_failing is False
    (line,) = outbox.log.read_day(timezone.now().date(), outcome="slowed")
    assert (line["server"], line["reply"]) == ("Peer", "451 4.7.500 Server busy")


async def test_a_day_counts_what_left_before_this_process_began(outbox: Outbox) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(messages_per_day=3))
        await outbox.submit(server_id, "earlier@example.org", "too@example.org")
        async for delivery in Delivery.objects.all():
            await Attempt.objects.acreate(
                delivery=delivery, number=1, server_id=server_id, outcome="sent",
                started_at=timezone.now() - timedelta(hours=5),
            )
        await Delivery.objects.aupdate(state="sent")
        for number in range(4):
            await outbox.submit(server_id, f"r{number}@example.org")
        lane = await outbox.open_lane(server_id)
        await outbox.until("sent", "queued", one="queued")
        for _ in range(100):
            lane.nudge()
            if len(peer.taken) == 2 and lane.allowance.is_day_spent:
                break
            await asyncio.sleep(0.05)
        assert lane.standing.is_failing
    assert [state for _, state in outbox.states()].count("queued") == 2
    assert len(peer.taken) == 2


async def test_a_server_that_could_not_be_reached_has_not_sent_its_day(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooldown, "cooldown_s", lambda *_args, **_more: 0.05)
    is_down = True

    def answer(_: Visit, line: str) -> str | None:
        return "421 4.3.0 closing" if is_down and line == "greeting" else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port, limits=Limits(messages_per_day=5))
        for number in range(5):
            await outbox.submit(server_id, f"r{number}@example.org")
        lane = await outbox.open_lane(server_id)
        for _ in range(200):
            is_down = peer.visits < 6
            if len(peer.taken) == 5:
                break
            await Delivery.objects.filter(state="deferred").aupdate(due_at=timezone.now())
            lane.nudge()
            await asyncio.sleep(0.05)
        assert len(peer.taken) == 5
        await outbox.until("sent")


async def test_b10_ten_thousand_that_are_due_at_once_leave_at_the_servers_rate(outbox: Outbox) -> None:
    """After an outage: what was put off meanwhile is due together, and the server gets no more than its limit."""
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(messages_per_minute=600))
        for number in range(200):
            await outbox.submit(server_id, *(f"r{number}-{n}@example.org" for n in range(50)))
        await Delivery.objects.aupdate(state="deferred", attempt_count=2, due_at=timezone.now())
        begun_s = asyncio.get_running_loop().time()
        await outbox.open_lane(server_id)
        await asyncio.sleep(2.0)
        most = 6 + (asyncio.get_running_loop().time() - begun_s) * 10
        assert 10 <= len(peer.taken) <= most
    row = await SendRate.objects.aget()
    assert row.arrival_us > 0


async def test_b10_no_more_is_claimed_while_a_server_with_a_rate_stalls_than_it_may_get_at_once(
    outbox: Outbox,
) -> None:
    """What piled up would leave at once when the server goes on."""
    async with StalledPeer() as peer:
        server_id = await outbox.server(peer.port, limits=Limits(messages_per_minute=600, connections=1))
        for number in range(30):
            await outbox.submit(server_id, f"r{number}@example.org")
        lane = await outbox.open_lane(server_id)
        await asyncio.wait_for(peer.stalls.wait(), 5)
        for _ in range(16):
            lane.nudge()
            await asyncio.sleep(0.05)
        assert len(lane.leases) <= 600 // AT_ONCE
        peer.goes_on.set()
        await outbox.until("sent")
