"""A lane: the deliveries to one server, over as many sessions as it allows.

One task feeds the lane from the queue, a few at a time, so that little is under lease when the process dies; each slot
is a task with a session of its own that takes one group after the other. A fault of the server as a whole gives back
what was not tried, and leaves the server alone for a while; other lanes do not notice (B9). Afterwards, while it is
still marked failing, one message at a time tries it; what is due besides moves to the server that takes over.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import structlog
from django.db import DatabaseError

from postroom.flow.deliver import Courier, Group, OpenSession, Outgoing, ServerFault, Unusable, groups_of
from postroom.flow.server_health import note_failing, note_working, sent_today
from postroom.flow.settle import Settler, Standings
from postroom.policy.failover import Standing, last_resort, successor
from postroom.store.blobs import DamagedBlob
from postroom.store.models import SmtpServer
from postroom.store.queue import Lease, Queue
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.terms.outcome import Stage

from .cooldown import Cooldown
from .pace import Pace
from .passing_on import PassingOn
from .sessions import Sessions

LEASE = timedelta(seconds=60)
CONNECTIONS = 4
CLAIMED_PER_SLOT = 8
WAITING_DELIVERIES = 200
UNSETTLED = 64
STORAGE_PAUSE_S = 1.0
# After the server refused one more connection while others were open: how long no more are tried.
CROWDED_S = 60.0

_log = structlog.get_logger("postroom.engine")


class Lane:
    """See above. `slots` bounds the sessions of all lanes together; `standings` tells how all servers are now."""

    def __init__(
        self,
        row: SmtpServer,
        queue: Queue,
        courier: Courier,
        settler: Settler,
        slots: asyncio.Semaphore,
        standings: Standings,
    ) -> None:
        self._server = Outgoing.of(row)
        self._queue, self._courier, self._settler, self._all_slots = queue, courier, settler, slots
        self._standings = standings
        self._sessions = Sessions(courier)
        self._pending: deque[Group] = deque()
        self._held: dict[str, Lease] = {}
        self._slots: set[asyncio.Task[None]] = set()
        self._settling: set[asyncio.Task[None]] = set()
        self._unsettled = asyncio.Semaphore(UNSETTLED)
        self._cooldown = Cooldown()
        self._passing_on = PassingOn(settler)
        self._crowded_until_s = 0.0
        self._crowded_limit = 1
        self._pace = Pace()
        self._nudge = asyncio.Event()
        self._stopping = False
        self._feeder = asyncio.create_task(self._feed())

    @property
    def leases(self) -> list[Lease]:
        """What this lane holds and has not settled."""
        return list(self._held.values())

    @property
    def standing(self) -> Standing:
        """The server as failover sees it."""
        row, is_spent = self._server.row, self._is_spent
        return Standing(
            row.pk, row.name, row.is_default, row.is_sandbox, row.position, self._server.takes_deliveries,
            is_failing=self._is_ailing or is_spent, is_left_alone=self._cooldown.left_s > 0 or is_spent,
        )

    def check(self) -> None:
        """Raise what ended the feeding of this lane, if anything did."""
        if self._feeder.done() and not self._stopping:
            self._feeder.result()

    def nudge(self) -> None:
        """There may be something to do."""
        self._nudge.set()

    def update(self, row: SmtpServer) -> None:
        """Go on with the server's present row. Changed settings end sessions; they, and a passed test, which takes the
        failing mark away, end the time for which the server is left alone."""
        before, self._server = self._server, Outgoing.of(row)
        repaired = before.row.failing_since is not None and row.failing_since is None
        if before.key != self._server.key or repaired:
            self._cooldown.end()
            self._crowded_until_s = 0.0
            self._sessions.end_idle()
            self._nudge.set()

    async def stop(self, within_s: float) -> None:
        """Claim no more, give back what was not begun, let transactions finish (D12)."""
        self._stopping = True
        self._nudge.set()
        await self._feeder
        if self._slots:
            await asyncio.wait(self._slots, timeout=within_s)
        await self._give_back()  # what a slot put back when it could not be sent just now
        for slot in self._slots:
            slot.cancel()
        if pending := self._slots | self._settling | self._sessions.closing:
            await asyncio.wait(pending, timeout=within_s)
        await self._give_back()  # what still waited for a session
        self._sessions.end_idle()

    async def _feed(self) -> None:
        while not self._stopping:
            if self._may_begin:
                self._start_slots()
            else:
                await self._give_back()
            try:
                await self._learn_pace()
                while self._wants_more() and await self._claim():
                    self._start_slots()
                await self._pass_on()
            except (StorageBusy, StorageUnknown, DatabaseError) as error:
                _log.error("nothing could be claimed", server=self._server.name.name, error=str(error))
                await asyncio.sleep(STORAGE_PAUSE_S)
            await self._nudge.wait()
            self._nudge.clear()
        await self._give_back()
        self._passing_on.tell(self._server.name)

    async def _learn_pace(self) -> None:
        """A limit per day counts what left before this process began, too."""
        if not self._pace.knows_day and self._server.settings.limits.messages_per_day is not None:
            self._pace.learn(time.monotonic(), await sent_today(self._server.name.id))

    @property
    def _may_begin(self) -> bool:
        return not self._stopping and self._server.takes_deliveries and self._cooldown.left_s <= 0

    @property
    def _is_ailing(self) -> bool:
        """Failing, and not shown to work again."""
        return self._cooldown.failures > 0 or self._server.row.failing_since is not None

    @property
    def _is_spent(self) -> bool:
        """Nothing may be sent over it any more today."""
        return self._pace.is_day_spent(time.monotonic(), self._server.settings.limits)

    async def _pass_on(self) -> None:
        """What is due here moves to the server that takes over, unless this one is well.

        Where none is well and this one may not try by itself, one that fails is tried with it."""
        to, is_idle = None, self._is_spent or not self._server.takes_deliveries
        if not self._stopping and (self._is_ailing or is_idle):
            standings, current = self._standings(), self._server.name.id
            to = successor(standings, current=current)
            if to is None and is_idle:
                to = last_resort(standings, current=current)
        if to is None:
            self._passing_on.tell(self._server.name)
        elif (again_s := await self._passing_on.pass_on(self._server.name, to)) > 0:
            asyncio.get_running_loop().call_later(again_s, self._nudge.set)

    def _wants_more(self) -> bool:
        waiting = sum(len(group.claimed) for group in self._pending)
        if self._is_ailing and self._held:
            return False
        return (
            self._may_begin
            and len(self._pending) < self._limit * CLAIMED_PER_SLOT // 2
            and waiting < WAITING_DELIVERIES
            and self._allowance() > 0
        )

    @property
    def _limit(self) -> int:
        """How many sessions may be open now; one as long as none has come about."""
        if not self._sessions.count:
            return 1
        allowed = self._server.settings.limits.connections or CONNECTIONS
        return min(allowed, self._crowded_limit) if time.monotonic() < self._crowded_until_s else allowed

    def _allowance(self) -> int:
        """How many messages may be claimed now: a share for each slot, within the server's own pace."""
        share = 1 if self._is_ailing else self._limit * CLAIMED_PER_SLOT
        return int(min(share, self._pace.left(time.monotonic(), self._server.settings.limits)))

    async def _claim(self) -> int:
        now, limit = datetime.now(UTC), self._allowance()
        claims = await self._queue.claim(self._server.name.id, now=now, lease_until=now + LEASE, limit=limit)
        for claimed in claims.claimed:
            self._held[claimed.lease.delivery_id] = claimed.lease
        limits = self._server.settings.limits
        groups = groups_of(claims.claimed, limits.recipients_per_message)
        self._pending.extend(groups)
        self._pace.count(time.monotonic(), len(groups))
        if claims.damaged:
            await self._settler.hold_damaged(self._server.name, claims.damaged)
        return len(claims.claimed) + len(claims.damaged)

    def _start_slots(self) -> None:
        for _ in range(min(self._limit - len(self._slots), len(self._pending))):
            slot = asyncio.create_task(self._work())
            self._slots.add(slot)
            slot.add_done_callback(self._slot_ended)

    def _slot_ended(self, slot: "asyncio.Task[None]") -> None:
        self._slots.discard(slot)
        if not slot.cancelled() and (error := slot.exception()) is not None:
            _log.error("a delivery slot failed", server=self._server.name.name, exc_info=error)
        if self._may_begin:
            self._start_slots()
        self._nudge.set()

    async def _work(self) -> None:
        opened: OpenSession | None = None
        async with self._all_slots:
            try:
                while self._pending and self._may_begin:
                    group = self._pending.popleft()
                    if opened is not None and not opened.is_for(self._server):
                        await self._sessions.end(opened)
                        opened = None
                    opened = await self._deliver_or_forget(opened or self._sessions.idle(self._server), group)
                    self._nudge.set()
                    if opened is None and len(self._slots) > self._limit:
                        return
            finally:
                if opened is not None:
                    self._sessions.park(opened)
                    if self._stopping:
                        self._sessions.end_idle()

    async def _deliver_or_forget(self, opened: OpenSession | None, group: Group) -> OpenSession | None:
        """`_deliver`; after an unforeseen error the leases run out, and the attempt counts as uncertain."""
        try:
            return await self._deliver(opened, group)
        except BaseException:
            self._forget(group)
            raise

    async def _deliver(self, opened: OpenSession | None, group: Group) -> OpenSession | None:
        """Try one group; the session for the next one, None where there is none."""
        server, reused = self._server, opened is not None
        try:
            opened = opened or await self._opened(server)
        except Unusable as unusable:
            await self._failed(server, group, unusable.fault)
            return None
        except asyncio.CancelledError:
            self._pending.append(group)  # nothing of it has left
            raise
        try:
            carried = await self._courier.carry(server, opened, group)
        except (DamagedBlob, ValueError) as error:
            await self._settled(group, self._courier.hold(server, group, error))
            return await self._kept(opened)
        except (StorageBusy, StorageUnknown) as error:
            _log.error("a delivery was put back", server=server.name.name, error=str(error))
            self._pending.append(group)
            await asyncio.sleep(STORAGE_PAUSE_S)
            return await self._kept(opened)
        except BaseException:
            await self._sessions.end(opened)
            raise
        if reused and carried.was_cut_before_anything:
            await self._sessions.end(opened)
            return await self._deliver(None, group)
        fault = carried.server_fault(server.settings)
        if fault is not None:
            wait_s = await self._cool_down(server, fault)
            await self._settled(group, self._courier.settle(server, carried, self._standings, wait_s))
            await self._sessions.end(opened)
            return None
        await self._worked(server)
        await self._settled(group, self._courier.settle(server, carried, self._standings))
        return await self._kept(opened)

    async def _opened(self, server: Outgoing) -> OpenSession:
        opened = await self._sessions.opened(server)
        self._start_slots()
        return opened

    async def _kept(self, opened: OpenSession) -> OpenSession | None:
        most = self._server.settings.limits.messages_per_connection
        if opened.session.is_usable and (most is None or opened.carried < most):
            return opened
        await self._sessions.end(opened)
        return None

    async def _failed(self, server: Outgoing, group: Group, fault: ServerFault) -> None:
        """No session came about. While others are open the server is only crowded; else it is left alone."""
        if fault.stage in (Stage.CONNECT, Stage.GREETING) and self._sessions.count:
            self._crowded_limit, self._crowded_until_s = self._sessions.count, time.monotonic() + CROWDED_S
            self._pending.appendleft(group)
            return
        self._pace.take_back(1)
        wait_s = await self._cool_down(server, fault)
        await self._settled(group, self._courier.settle_fault(server, group, fault, self._standings, wait_s))

    async def _cool_down(self, server: Outgoing, fault: ServerFault) -> float:
        """Leave the server alone, once for failures at the same time; the seconds until it is tried again."""
        if self._cooldown.fail(sign_in=fault.sign_in):
            asyncio.get_running_loop().call_later(self._cooldown.left_s + 0.05, self._nudge.set)
            await self._give_back()
            if await note_failing(server.name.id, fault.finding, fault.stage):
                self._courier.log_failing(server, fault)
        return self._cooldown.left_s

    async def _worked(self, server: Outgoing) -> None:
        if self._cooldown.failures or server.row.failing_since is not None:
            self._cooldown.end()
            server.row.failing_since = None
            if await note_working(server.name.id):
                self._courier.log_working(server)

    async def _settled(self, group: Group, settling: Awaitable[None]) -> None:
        """Settle beside the next transaction, at most `UNSETTLED` at a time; the lease is kept until it is stored."""
        await self._unsettled.acquire()
        task = asyncio.ensure_future(self._settle(group, settling))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, group: Group, settling: Awaitable[None]) -> None:
        try:
            await settling
        finally:
            self._unsettled.release()
            self._forget(group)

    def _forget(self, group: Group) -> None:
        for claimed in group.claimed:
            if self._held.get(claimed.lease.delivery_id) == claimed.lease:
                del self._held[claimed.lease.delivery_id]

    async def _give_back(self) -> None:
        """Return to the queue what was claimed and not begun."""
        groups, self._pending = list(self._pending), deque()
        self._pace.take_back(len(groups))
        for group in groups:
            self._forget(group)
        if leases := [claimed.lease for group in groups for claimed in group.claimed]:
            try:
                await self._queue.release(leases, datetime.now(UTC))
            except (StorageBusy, StorageUnknown) as error:
                _log.error("deliveries return only when their lease is over", error=str(error))
