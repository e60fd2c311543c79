"""A lane: the deliveries to one server, over as many sessions as it allows.

One task feeds the lane from the queue, a few at a time, so that little is under lease when the process dies; each slot
(slot.py) is a task with a session of its own that takes one group after the other. A fault of the server as a whole
gives back what was not tried, and leaves the server alone for a while; other lanes do not notice (B9). Afterwards,
while it is still marked failing, one message at a time tries it; what is due besides moves to the server that takes
over. The first slot of a lane is its own; only further ones are counted among those that all lanes share (slots.py).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
from django.db import DatabaseError

from postroom.flow.delivery.deliver import Carried, Courier, Group, Outgoing, ServerFault, groups_of
from postroom.flow.delivery.settle import Settler, Standings
from postroom.flow.servers.server_health import note_failing, note_manners, note_working, sent_today
from postroom.policy.failover import Standing, last_resort, successor
from postroom.policy.manners import Manners
from postroom.policy.rate import has_rate
from postroom.store.blobs import DamagedBlob
from postroom.store.models import SmtpServer
from postroom.store.queue import Claimed, Lease, Queue
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.terms.outcome import Stage
from postroom.terms.server import Limits

from .allowance import Allowance, Held
from .cooldown import Cooldown
from .held_octets import HeldOctets
from .marks import Marks
from .passing_on import PassingOn
from .sessions import Sessions
from .settlements import Settlements
from .slot import STORAGE_PAUSE_S, Slot
from .slots import Slots

LEASE = timedelta(seconds=60)
CONNECTIONS = 4
CLAIMED_PER_SLOT = 16
WAITING_DELIVERIES = 200
# After the server refused one more connection while others were open: how long no more are tried.
CROWDED_S = 60.0
# After a fault of ours, what is due waits this long.
FAULT_PAUSE_S = 1.0

_log = structlog.get_logger("postroom.engine")


class Lane:
    """See above. `slots` bounds the sessions of all lanes together; `standings` tells how all servers are now;
    `held_octets` is shared with other lanes; `is_shared`: other engines work on the database, too; by the clock `now`
    leases end."""

    def __init__(
        self,
        row: SmtpServer,
        queue: Queue,
        courier: Courier,
        settler: Settler,
        slots: asyncio.Semaphore,
        standings: Standings,
        *,
        held_octets: HeldOctets | None = None,
        is_shared: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now, self._is_shared = now, is_shared
        self._held_octets = held_octets or HeldOctets()
        self.server = Outgoing.of(row)
        self.courier = courier
        self._queue, self._settler = queue, settler
        self._standings = standings
        self.manners = Manners.from_json(row.manners, datetime.now(UTC), self.server.key)
        self.sessions = Sessions(courier)
        self.pending: deque[Group] = deque()
        self.marks = Marks(courier, self.pending)
        self.settlements = Settlements(courier, standings, self.forget)
        self._held: dict[str, Lease] = {}
        self._slots = Slots(slots, self._work, self._slot_ended)
        self._asides: set[asyncio.Task[None]] = set()
        self._cooldown = Cooldown()
        self._passing_on = PassingOn(settler)
        self._crowded_until_s = 0.0
        self._crowded_limit = 1
        self.allowance = Allowance(now)
        self._low_water = CLAIMED_PER_SLOT // 2
        self._knows_day = False
        self._wake: asyncio.TimerHandle | None = None
        self._nudge = asyncio.Event()
        self.is_stopping = False
        self._feeder = asyncio.create_task(self._feed())

    @property
    def leases(self) -> list[Lease]:
        """What this lane holds and has not settled."""
        return list(self._held.values())

    @property
    def standing(self) -> Standing:
        """The server as failover sees it."""
        row, is_spent = self.server.row, self._is_spent
        # Mail of a server in test mode is made for its test address, and mail of the others is not.
        stands_apart = row.is_sandbox or bool(row.test_address)
        return Standing(
            row.pk, row.name, row.is_default, stands_apart, row.position, self.server.takes_deliveries,
            is_failing=self._is_ailing or is_spent, is_left_alone=self._cooldown.left_s > 0 or is_spent,
        )

    @property
    def cooldown_left_s(self) -> float:
        """Seconds for which the server is left alone; 0 when it may be tried."""
        return self._cooldown.left_s

    def check(self) -> None:
        """Raise what ended the feeding of this lane, if anything did."""
        if self._feeder.done() and not self.is_stopping:
            self._feeder.result()

    def nudge(self) -> None:
        """There may be something to do."""
        self._nudge.set()

    def update(self, row: SmtpServer) -> None:
        """Go on with the server's present row. Changed settings end sessions; they, and a passed test, which takes the
        failing mark away, end the time for which the server is left alone."""
        outgoing = Outgoing.of(row)
        if outgoing.settings != self.server.settings and any(_divides(outgoing, group) for group in self.pending):
            self._aside(self._give_back())
        before, self.server = self.server, outgoing
        repaired = before.row.failing_since is not None and row.failing_since is None
        if before.key != self.server.key or repaired:
            self._cooldown.end()
            self._crowded_until_s = 0.0
            self.allowance.forget()
            self.sessions.end_idle()
            self._nudge.set()
        if before.key != self.server.key:
            self.manners = Manners.from_json(row.manners, datetime.now(UTC), self.server.key)

    async def stop(self, within_s: float) -> None:
        """Claim no more, give back what was not begun, let transactions finish (D12)."""
        self.is_stopping = True
        self._nudge.set()
        await self._feeder
        if self._slots.tasks:
            await asyncio.wait(self._slots.tasks, timeout=within_s)
        await self._give_back()  # what a slot put back when it could not be sent just now
        for slot in self._slots.tasks:
            slot.cancel()
        ends_s = time.monotonic() + within_s
        while at_work := self._slots.tasks | self._asides | self.settlements.tasks | self.sessions.closing:
            left_s = ends_s - time.monotonic()
            if left_s <= 0:
                break
            await asyncio.wait(at_work, timeout=left_s)
        await self._give_back()  # what still waited for a session
        self.sessions.end_idle()

    async def _feed(self) -> None:
        while not self.is_stopping:
            if self.may_begin:
                self.start_slots()
            try:
                await self._learn_day()
                while self._wants_more() and await self._claim():
                    self.start_slots()
                if not self.may_begin or not self.allowed:
                    await self._give_back()  # what was claimed moves with the rest, or another engine sends it
                await self._pass_on()
            except (StorageBusy, StorageUnknown, DatabaseError) as error:
                _log.error("nothing could be claimed", server=self.server.name.name, error=str(error))
                await asyncio.sleep(STORAGE_PAUSE_S)
            self._wake_when_more_may_leave()
            await self._nudge.wait()
            self._nudge.clear()
        await self._give_back()
        self._passing_on.tell(self.server.name)

    async def _learn_day(self) -> None:
        """A limit per day counts what left before there was one, too."""
        if not self._knows_day and self.server.settings.limits.messages_per_day is not None:
            sent = await sent_today(self.server.name.id)
            await self._queue.learn(self.server.name.id, sent, self._now())
            self._knows_day = True

    def _wake_when_more_may_leave(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
        wait_s = self.allowance.next_look_s()
        self._wake = None if wait_s is None else asyncio.get_running_loop().call_later(wait_s, self._nudge.set)

    @property
    def may_begin(self) -> bool:
        return not self.is_stopping and self.server.takes_deliveries and self._cooldown.left_s <= 0

    @property
    def _is_ailing(self) -> bool:
        """Failing, and not shown to work again."""
        return self._cooldown.failures > 0 or self.server.row.failing_since is not None

    @property
    def _is_spent(self) -> bool:
        """Nothing may be sent over it any more today."""
        return self.allowance.is_day_spent

    async def _pass_on(self) -> None:
        """What is due here moves to the server that takes over, unless this one is well.

        Where none is well and this one may not try by itself, one that fails is tried with it."""
        to, is_idle = None, self._is_spent or not self.server.takes_deliveries
        if not self.is_stopping and (self._is_ailing or is_idle):
            standings, current = self._standings(), self.server.name.id
            to = successor(standings, current=current)
            if to is None and is_idle:
                to = last_resort(standings, current=current)
        if to is None:
            self._passing_on.tell(self.server.name)
        elif (again_s := await self._passing_on.pass_on(self.server.name, to)) > 0:
            asyncio.get_running_loop().call_later(again_s, self._nudge.set)

    def _wants_more(self) -> bool:
        limit = self.limit
        self._low_water = limit * CLAIMED_PER_SLOT // 2
        waiting = sum(len(group.claimed) for group in self.pending)
        if self._is_ailing and self._held:
            return False
        return (
            self.may_begin
            and len(self.pending) < self._low_water
            and waiting < WAITING_DELIVERIES
            and self.allowance.held is None
            and limit > 0
            and (self._held_octets.has_room or not self._held)
            # What counts against a rate leaves before more of it is counted: nothing piles up while the server stalls.
            and not (self.pending and self._limits.messages_per_minute is not None)
        )

    @property
    def allowed(self) -> int:
        """How many sessions this engine may have, however many come about."""
        most = self.server.settings.limits.connections
        return self.allowance.sessions(most or CONNECTIONS, is_shared=self._is_shared and bool(most))

    @property
    def limit(self) -> int:
        """How many sessions may be open now; one as long as none has come about."""
        allowed = self.allowed
        if not self.sessions.count:
            return min(1, allowed)
        return min(allowed, self._crowded_limit) if time.monotonic() < self._crowded_until_s else allowed

    @property
    def _limits(self) -> Limits:
        """What claims count by: the server's own limits, or less while it asks for less."""
        settings = self.server.settings
        limits = replace(settings.limits, recipients_per_message=1) if settings.bounce_address else settings.limits
        return self.allowance.limits(limits)

    async def _claim(self) -> int:
        now, limits = self._now(), self._limits
        share = 1 if self._is_ailing else self.limit * CLAIMED_PER_SLOT
        claims = await self._queue.claim(
            self.server.name.id, now=now, lease_until=now + LEASE, limit=share, limits=limits
        )
        for claimed in claims.claimed:
            self._held[claimed.lease.delivery_id] = claimed.lease
        wanted = claims.claimed
        if suppressed := [claimed for claimed in claims.claimed if claimed.suppressed]:
            self._aside(self._fail_suppressed(self.server, suppressed))
            wanted = tuple(claimed for claimed in claims.claimed if not claimed.suppressed)
        groups = groups_of(wanted, self.server.settings)
        for group in groups:
            self._held_octets.add(group)
        self.pending.extend(groups)
        self.allowance.claimed(len(groups), Held(claims.held_by, claims.next_at) if claims.next_at else None)
        if claims.damaged:
            await self._settler.hold_damaged(self.server.name, claims.damaged)
        return len(claims.claimed) + len(claims.damaged)

    async def _fail_suppressed(self, server: Outgoing, suppressed: list[Claimed]) -> None:
        try:
            await self._settler.fail_suppressed(server.name, suppressed)
        finally:
            self._let_go(suppressed)

    # Slots.

    def start_slots(self) -> None:
        """As many as what waits can use, and as may be open."""
        self._slots.start(len(self.pending), self.limit)

    async def _work(self) -> None:
        if not self.is_crowded:
            await Slot(self).work()

    def _slot_ended(self, slot: "asyncio.Task[None]") -> None:
        if not slot.cancelled() and (error := slot.exception()) is not None:
            _log.error("a delivery slot failed", server=self.server.name.name, exc_info=error)
            self._cooldown.rest(FAULT_PAUSE_S)  # else it fails again at once, as often as the processor allows
            asyncio.get_running_loop().call_later(FAULT_PAUSE_S + 0.05, self._nudge.set)
        if self.may_begin:
            self.start_slots()
        self._nudge.set()

    @property
    def is_crowded(self) -> bool:
        """Whether more slots are at work than sessions may be open."""
        return self._slots.at_work > self.limit

    # What slots tell.

    def taken(self) -> None:
        """A group was taken out of what waits: time to claim more, once little is left."""
        if len(self.pending) < self._low_water:
            self._nudge.set()

    def put_back(self, group: Group) -> None:
        """Nothing of it has left. Where other settings hold by now, it may be claimed anew."""
        self.pending.appendleft(group)
        if _divides(self.server, group):
            self._aside(self._give_back())

    def took(self, server: Outgoing, carried: Carried) -> None:
        """A transaction ended by what the server said of it, and the server works."""
        if not carried.all_sent and self.allowance.results(carried.results, self.sessions.count):
            self.courier.log_slowed(server, self.allowance.slowed_reply)
        if self._is_ailing:
            self._aside(self._worked(server, carried))
        else:
            self.settlements.add(server, carried)

    def hold(self, server: Outgoing, group: Group, error: DamagedBlob | ValueError) -> None:
        """A group can't be sent as it is."""
        self._aside(self._hold(server, group, error))

    async def _hold(self, server: Outgoing, group: Group, error: DamagedBlob | ValueError) -> None:
        try:
            await self.courier.hold(server, group, error)
        finally:
            self.forget(group)

    def _aside(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    def note_manners(self) -> None:
        """What the server showed that it does not bear is stored, and said in the activity log."""
        if self.manners.changed:
            self.manners.changed = False
            self._aside(self._note_manners(self.server))

    async def _note_manners(self, server: Outgoing) -> None:
        await note_manners(server.name.id, self.manners.as_json(datetime.now(UTC), server.key))
        self.courier.log_manners(server, self.manners)

    async def unusable(self, server: Outgoing, group: Group, fault: ServerFault) -> None:
        """No session came about. While others are open the server is only crowded; else it is left alone."""
        if fault.stage in (Stage.CONNECT, Stage.GREETING) and self.sessions.count:
            if self.allowance.refused(fault.reply, fault.stage, self.sessions.count):
                self.courier.log_slowed(server, self.allowance.slowed_reply)
            self._crowded_limit, self._crowded_until_s = self.sessions.count, time.monotonic() + CROWDED_S
            self.put_back(group)
            return
        try:
            await self._release([], 1, self._limits)
            wait_s = await self.cool_down(server, fault)
        except BaseException:
            self.pending.appendleft(group)  # nothing of it has left
            raise
        self._aside(self._settle_fault(server, group, fault, wait_s))

    async def _settle_fault(self, server: Outgoing, group: Group, fault: ServerFault, wait_s: float) -> None:
        try:
            await self.courier.settle_fault(server, group, fault, self._standings, wait_s)
        finally:
            self.forget(group)

    async def cool_down(self, server: Outgoing, fault: ServerFault) -> float:
        """Leave the server alone, once for failures at the same time; the seconds until it is tried again."""
        if self._cooldown.fail(sign_in=fault.sign_in):
            asyncio.get_running_loop().call_later(self._cooldown.left_s + 0.05, self._nudge.set)
            await self._give_back()
            if await note_failing(server.name.id, fault.finding, fault.stage):
                self.courier.log_failing(server, fault)
        return self._cooldown.left_s

    async def _worked(self, server: Outgoing, carried: Carried) -> None:
        """The server works again; that is stored before what it took is."""
        self._cooldown.end()
        # The row may have been read anew meanwhile; left in it, the next one would look repaired by hand.
        server.row.failing_since = self.server.row.failing_since = None
        try:
            if await note_working(server.name.id):
                self.courier.log_working(server)
        finally:
            self.settlements.add(server, carried)

    def forget(self, group: Group) -> None:
        """Its attempt is over, or nobody knows how it ended; in that case its lease runs out."""
        self._held_octets.remove(group)
        self.marks.forget(group)
        self._let_go(group.claimed)

    def _let_go(self, claimed: Iterable[Claimed]) -> None:
        for each in claimed:
            if self._held.get(each.lease.delivery_id) is each.lease:
                del self._held[each.lease.delivery_id]

    def _give_back(self) -> Coroutine[None, None, None]:
        """Return to the queue what was claimed and not begun; nothing of it waits any more before that is awaited."""
        groups = list(self.pending)
        self.pending.clear()
        for group in groups:
            self.forget(group)
        leases = [claimed.lease for group in groups for claimed in group.claimed]
        return self._release(leases, len(groups), self._limits)

    async def _release(self, leases: list[Lease], messages: int, limits: Limits) -> None:
        """These leases end, and so many messages were begun by these limits and not tried."""
        if not leases and not (messages and has_rate(limits)):
            return
        try:
            await self._queue.release(
                leases, self._now(), server_id=self.server.name.id, limits=limits, messages=messages
            )
        except (StorageBusy, StorageUnknown) as error:
            _log.error("deliveries return only when their lease is over", error=str(error))
        else:
            self.allowance.given_back()


def _divides(server: Outgoing, group: Group) -> bool:
    """Whether the server gets its recipients in several transactions, as it is set up now."""
    return len(group.claimed) > 1 and len(groups_of(group.claimed, server.settings)) > 1
