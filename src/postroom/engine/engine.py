"""The engine at work: a lane for each server, tests beside them, and the chores of the outbox."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, connection

from postroom.flow.delivery.deliver import Courier, Outgoing
from postroom.flow.delivery.sample_queue import forget_old_counts, sample_queue
from postroom.flow.delivery.settle import NOBODY, OVERDUE_AT_ONCE, ServerName, Settler
from postroom.flow.instance.retain import retain
from postroom.flow.servers.delivery_rules import rule_of
from postroom.policy.failover import Standing
from postroom.policy.route import route
from postroom.policy.rules import Rule
from postroom.store.change import Change
from postroom.store.clock import DatabaseClock
from postroom.store.heartbeat import forget_old_heartbeats, store_heartbeat
from postroom.store.hot_reads import delivery_rules
from postroom.store.models import SmtpServer
from postroom.store.queue import Queue
from postroom.store.turn import OnlyTurn, Turn
from postroom.store.waiting import any_without_server
from postroom.store.writer import StorageBusy, StorageUnknown

from .held_octets import HeldOctets
from .lane import LEASE, Lane
from .log_index import LogIndex
from .report import REPORT_S, SLOTS_S, Report
from .server_tests import ServerTests
from .upkeep import Upkeep

SESSIONS = 100
LOOK_S = 0.05
RELOAD_S = 0.5
UNHURRIED_S = 1.0
HEARTBEAT_S = 5.0
CHORES_S = LEASE.total_seconds() / 4
RETAIN_S = 3_600.0
RETAIN_PAUSE_S = 0.05
UPKEEP_S = 2.0
SAMPLE_S = 60.0
TURN_S = 1.0
LOG_INDEX_S = 2.0
# D12: from the stop signal on, transactions have this long to finish.
STOP_S = 20.0

_log = structlog.get_logger("postroom.engine")


class Engine:
    """Runs until `stop`; `recover` comes first, while no other engine has its name.

    Others may work on the same database: every one delivers and takes up what is abandoned; what needs doing once is
    done by the one whose `turn` it is. `clock` is the database's."""

    def __init__(
        self,
        queue: Queue,
        courier: Courier,
        settler: Settler,
        tests: ServerTests,
        upkeep: Upkeep,
        change: Change,
        *,
        turn: Turn | None = None,
        clock: DatabaseClock | None = None,
        name: str = "",
    ) -> None:
        self._queue, self._courier, self._settler, self._tests = queue, courier, settler, tests
        self._upkeep, self._change = upkeep, change
        self._turn, self._clock, self._name = turn or OnlyTurn(), clock or DatabaseClock(), name
        self._log_index = LogIndex(Path(settings.DATA_DIR) / "logs")
        self._report = Report(name, self._clock.now)
        self._turns = 0
        self._lanes: dict[str, Lane] = {}
        self._servers: dict[str, ServerName] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._slots, self._held_octets = asyncio.Semaphore(SESSIONS), HeldOctets()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Begin to stop: no new claims (D12)."""
        self._stopping.set()

    async def recover(self) -> None:
        """Take up what an earlier life of this engine left under lease (D7). No lane may claim anything before that is
        done."""
        await sync_to_async(self._clock.measure)()
        servers, _ = await sync_to_async(_servers)()
        self._servers = {server.pk: Outgoing.of(server).name for server in servers}
        await self._settler.settle_abandoned(self._server_name, lease_over=False)
        await self._take_turn()

    async def run(self) -> None:
        """Work until `stop`, then let what runs come to its end."""
        tasks = [
            asyncio.create_task(self._watch()),
            asyncio.create_task(self._every(TURN_S, self._take_turn)),
            asyncio.create_task(self._every(HEARTBEAT_S, self._beat)),
            asyncio.create_task(self._every(SLOTS_S, lambda: self._report.share(self._lanes))),
            asyncio.create_task(self._every(REPORT_S, lambda: self._report.tell(self._lanes))),
            asyncio.create_task(self._every(CHORES_S, self._chores)),
            asyncio.create_task(self._every(RETAIN_S, self._in_turn(self._retain))),
            asyncio.create_task(self._every(UPKEEP_S, self._in_turn(self._upkeep.look))),
            asyncio.create_task(self._every(SAMPLE_S, self._in_turn(self._sample))),
            asyncio.create_task(self._every(LOG_INDEX_S, self._in_turn(self._log_index.look))),
        ]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait((*tasks, stopping), return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
            await self._wind_down()

    async def _wind_down(self) -> None:
        """A lane that broke ends the engine, but not before the transactions of the others have ended (D12)."""
        stopping = (lane.stop(STOP_S) for lane in self._lanes.values())
        endings = await asyncio.gather(self._tests.stop(), *stopping, *self._leaving, return_exceptions=True)
        await self._guarded(lambda: sync_to_async(store_heartbeat)(datetime.now(UTC), "stopped", self._name))
        await self._guarded(self._report.end)
        for ending in endings:
            if isinstance(ending, BaseException):
                raise ending

    async def _watch(self) -> None:
        """Nudge the lanes when the database changed, and once a second for what has become due."""
        reloaded_s = nudged_s = 0.0
        while True:
            now_s = time.monotonic()
            changed = self._change.has_come()
            if now_s - reloaded_s >= (RELOAD_S if changed else UNHURRIED_S):
                reloaded_s = now_s
                await self._guarded(self._reload)
            if changed or now_s - nudged_s >= UNHURRIED_S:
                nudged_s = now_s
                if self._turn.is_mine:
                    self._tests.nudge()
                for lane in self._lanes.values():
                    lane.check()
                    lane.nudge()
            await asyncio.sleep(LOOK_S)

    async def _reload(self) -> None:
        """Lanes for the present servers; deliveries without a server get the one that routing names."""
        servers, homeless = await sync_to_async(_servers)()
        self._servers = {server.pk: Outgoing.of(server).name for server in servers}
        self._settler.rerouting.renew(await sync_to_async(_rules)())
        has_new = any(server.pk not in self._lanes for server in servers)
        for server in servers:
            if server.pk in self._lanes:
                self._lanes[server.pk].update(server)
            else:
                self._lanes[server.pk] = Lane(
                    server, self._queue, self._courier, self._settler, self._slots, self._standings,
                    held_octets=self._held_octets, is_shared=self._report.is_shared, now=self._clock.now,
                )
        for gone in self._lanes.keys() - self._servers.keys():
            leaving = asyncio.create_task(self._lanes.pop(gone).stop(STOP_S))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        if homeless and (chosen := route(server.candidate for server in servers)) is not None:
            await self._queue.assign(chosen.id)
        if has_new:
            await self._report.share(self._lanes)

    async def _beat(self) -> None:
        await sync_to_async(store_heartbeat)(datetime.now(UTC), "running", self._name)

    async def _chores(self) -> None:
        """Keep the leases of what is under way, take up abandoned ones, give up on expired messages."""
        await sync_to_async(self._clock.measure)()
        now = self._clock.now()
        held = [lease for lane in self._lanes.values() for lease in lane.leases]
        if held:
            await self._queue.renew(held, now + LEASE)
        await self._settler.settle_abandoned(self._server_name, lease_over=True)
        while self._turn.is_mine and await self._settler.settle_overdue(self._server_name) == OVERDUE_AT_ONCE:
            continue

    async def _retain(self) -> None:
        """Batch by batch, with pauses in which deliveries have the database to themselves."""
        batches = retain(datetime.now(UTC), Path(settings.DATA_DIR))
        while True:
            if await sync_to_async(_step)(batches) is None:
                break
            await asyncio.sleep(RETAIN_PAUSE_S)
        await sync_to_async(forget_old_counts)(datetime.now(UTC))
        await sync_to_async(forget_old_heartbeats)(datetime.now(UTC))

    async def _sample(self) -> None:
        await sync_to_async(sample_queue)(datetime.now(UTC))

    async def _take_turn(self) -> None:
        """Have the turn where nobody else has it, and begin with what was left behind."""
        had_it = self._turns > 0 and self._turn.is_mine
        if await asyncio.to_thread(self._turn.take) and not had_it:
            self._turns += 1
            await sync_to_async(self._tests.requeue_abandoned)()

    def _in_turn(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def worked() -> None:
            if self._turn.is_mine:
                await work()

        return worked

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._guarded(work)
            await asyncio.sleep(seconds)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Storage that does not answer now, or not for what is asked, is asked again later; anything else ends the
        engine."""
        try:
            await work()
        except (StorageBusy, StorageUnknown, DatabaseError, sqlite3.Error, OSError) as error:
            _log.error("the storage did not answer", error=str(error))
            await sync_to_async(_begin_anew)()

    def _standings(self) -> list[Standing]:
        return [lane.standing for lane in self._lanes.values()]

    def _server_name(self, server_id: str) -> ServerName:
        return self._servers.get(server_id, NOBODY)


def _rules() -> list[Rule]:
    return [rule_of(row) for row in delivery_rules()]


def _step(batches: Iterator[int]) -> int | None:
    return next(batches, None)


def _begin_anew() -> None:
    """Close the connection of the thread that runs this: only it may."""
    connection.close()


def _servers() -> tuple[list[SmtpServer], bool]:
    return list(SmtpServer.objects.all()), any_without_server()
