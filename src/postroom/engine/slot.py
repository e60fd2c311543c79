"""A slot of a lane: one session that takes what waits there, message after message, and says what became of each.

Taking and giving back happen while the session is at work and never wait (net/cargo); what has to be stored first, or
waits for something, is done when its run has come to an end.
"""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from postroom.flow.delivery.deliver import (
    Carried,
    GroupShipment,
    OpenSession,
    Outgoing,
    ServerFault,
    Unusable,
    too_large,
)
from postroom.net.cargo import Ended, Shipment
from postroom.store.blobs import DamagedBlob
from postroom.store.writer import StorageBusy, StorageUnknown

from .marks import LeaseLost

if TYPE_CHECKING:
    from .lane import Lane

STORAGE_PAUSE_S = 1.0
# After so many messages a session looks whether it is one too many by now.
LOOK_AFTER = 8
# No session came about, but others are open: how long to wait before dialing again.
CROWDED_PAUSE_S = 1.0

_log = structlog.get_logger("postroom.engine")


class Slot:
    """See above; implements `Cargo`."""

    def __init__(self, lane: "Lane") -> None:
        self._lane = lane
        self._server: Outgoing = lane.server
        self._opened: OpenSession | None = None
        self._faults: list[tuple[Carried, ServerFault]] = []
        self._storage_failed = False

    async def work(self) -> None:
        """Until nothing waits, or nothing may be begun."""
        lane = self._lane
        try:
            while lane.pending and lane.may_begin:
                await lane.settlements.room()
                self._server = lane.server
                if await self._has_session():
                    if lane.sessions.count > lane.limit:
                        await self._end()
                        return
                    await self._carry()
                elif lane.is_crowded or not lane.may_begin:
                    return
                else:
                    await asyncio.sleep(CROWDED_PAUSE_S)  # B15: dialing may fail at once, again and again
        finally:
            if self._opened is not None:
                lane.sessions.park(self._opened)
                if lane.is_stopping:
                    lane.sessions.end_idle()

    async def _has_session(self) -> bool:
        """Whether there is a session for what waits; where none comes about, the first of it tells why."""
        lane, server = self._lane, self._server
        await self._end_unless_kept()
        self._opened = self._opened or lane.sessions.idle(server)
        if self._opened is not None or not lane.pending:
            return self._opened is not None
        group = lane.pending.popleft()
        try:
            self._opened = await lane.sessions.opened(server, lane.allowed)
        except Unusable as unusable:
            await lane.unusable(server, group, unusable.fault)
            return False
        except asyncio.CancelledError:
            lane.pending.append(group)  # nothing of it has left
            raise
        except BaseException:
            lane.forget(group)
            raise
        lane.put_back(group)
        lane.start_slots()
        return True

    async def _carry(self) -> None:
        assert self._opened is not None
        lane, server = self._lane, self._server
        try:
            await lane.courier.carry(self._opened, self, lane.manners)
        finally:
            lane.note_manners()
            try:
                await self._leave_alone(server)
            finally:
                if self._faults or not self._opened.session.is_usable:
                    await self._end()
                self._faults = []
        if self._storage_failed:
            self._storage_failed = False
            await asyncio.sleep(STORAGE_PAUSE_S)

    async def _leave_alone(self, server: Outgoing) -> None:
        """The server where it showed itself at fault; what that came to is settled in any event."""
        wait_s = None
        try:
            for _, fault in self._faults:
                wait_s = await self._lane.cool_down(server, fault)
        finally:
            for carried, _ in self._faults:
                self._lane.settlements.add(server, replace(carried, wait_s=wait_s))

    async def _end_unless_kept(self) -> None:
        opened = self._opened
        if opened is not None and not (opened.session.is_usable and opened.is_for(self._server) and not self._is_full):
            await self._end()

    async def _end(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await self._lane.sessions.end(opened)

    @property
    def _is_full(self) -> bool:
        """Whether this session has carried as much as the server's limits allow."""
        most = self._server.settings.limits.messages_per_connection
        return most is not None and self._opened is not None and self._opened.given >= most

    # What the session asks and tells.

    def next(self, *, overlapped: bool) -> Shipment | None:
        lane = self._lane
        while lane.pending and self._may_go_on():
            group = lane.pending[0]
            if group.careful and overlapped:
                return None
            lane.pending.popleft()
            lane.taken()
            if (refused := too_large(group, self._server.settings)) is not None:
                lane.settlements.add(self._server, refused)
                continue
            try:
                shipment = lane.courier.shipment(self._server, group, lane.marks.before(self._server, group))
            except DamagedBlob as error:
                lane.hold(self._server, group, error)
                continue
            except Exception:
                lane.forget(group)  # no shipment comes back, so its lease has to end
                raise
            assert self._opened is not None
            self._opened.given += 1
            return shipment
        return None

    def _may_go_on(self) -> bool:
        lane = self._lane
        if lane.server is not self._server:
            if lane.server.key != self._server.key:
                return False
            self._server = lane.server
        if not lane.may_begin or lane.settlements.is_full:
            return False
        if self._opened is not None and self._opened.given % LOOK_AFTER == 0 and lane.sessions.count > lane.limit:
            return False
        return not (self._faults or self._storage_failed or self._is_full)

    def ended(self, shipment: Shipment, ended: Ended) -> None:
        assert isinstance(shipment, GroupShipment)
        assert self._opened is not None
        carried = Carried.of(shipment.group, ended, self._opened)
        fault = None if carried.all_sent else carried.server_fault(self._server.settings)
        if fault is not None:
            self._faults.append((carried, fault))
        else:
            self._lane.took(self._server, carried)

    def put_back(self, shipment: Shipment, ended: Ended, *, careful: bool) -> None:  # noqa: ARG002  it was no attempt
        assert isinstance(shipment, GroupShipment)
        group = shipment.group
        self._lane.put_back(replace(group, careful=True) if careful else group)
        self._lane.nudge()

    def refused(self, shipment: Shipment, error: Exception) -> bool:
        assert isinstance(shipment, GroupShipment)
        if isinstance(error, StorageBusy | StorageUnknown):
            _log.error("a delivery was put back", server=self._server.name.name, error=str(error))
            self._lane.put_back(shipment.group)
            self._storage_failed = True
            return True
        if isinstance(error, DamagedBlob | ValueError):
            self._lane.hold(self._server, shipment.group, error)
            return True
        self._lane.forget(shipment.group)
        return isinstance(error, LeaseLost)

    def left(self, shipment: Shipment) -> None:
        assert isinstance(shipment, GroupShipment)
        self._lane.forget(shipment.group)
