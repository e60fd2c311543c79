"""The engine process: the only kind that delivers and tests. On SQLite one works on a data directory at a time, on
PostgreSQL any number on one database."""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import structlog
import uvloop
from django.conf import settings

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.delivery.deliver import Courier
from postroom.flow.delivery.settle import Settler
from postroom.flow.instance.loaded import leave_to_memory
from postroom.flow.probes.run_test import Prober
from postroom.flow.runs.run import Runner
from postroom.net.own_name import own_name
from postroom.store.activity_log import ActivityLog
from postroom.store.blobs import Blobs
from postroom.store.change import open_change
from postroom.store.clock import DatabaseClock
from postroom.store.database import is_postgresql
from postroom.store.engine_name import one_of_several, only_engine
from postroom.store.outbox import open_outbox
from postroom.store.turn import Turn, open_turn

from .alerts import Alerts
from .bounce_mailbox import BounceMailboxReader
from .communications import Communications
from .domain_checks import DomainChecks
from .engine import Engine
from .runs import Runs
from .scheduler import Scheduler
from .server_tests import ServerTests
from .source_tries import SourceTries
from .upkeep import Upkeep
from .webhooks import Webhooks

LOCK_REMARK_S = 10.0
UNFINISHED_S = 3_600.0

_log = structlog.get_logger("postroom.engine")


def serve(ready: Callable[[], None]) -> None:
    """Deliver and test until SIGTERM or SIGINT. `ready` is called once that has begun."""
    with _named(Path(settings.DATA_DIR)) as name:
        uvloop.run(_serve_until_signal(name, ready))


async def _serve_until_signal(name: str, ready: Callable[[], None]) -> None:
    data, clock = Path(settings.DATA_DIR), DatabaseClock()
    outbox, log, change, turn = open_outbox(name), ActivityLog(data / "logs"), open_change(), open_turn()
    try:
        queue, blobs = outbox.queue, Blobs(data / "blobs")
        blobs.discard_unfinished(time.time() - UNFINISHED_S)
        settler = Settler(queue, log, now=clock.now)
        courier = Courier(queue, blobs, log, settler, default_ehlo_name=own_name())
        tests = ServerTests(Prober(log, data / "logs", own_name()))
        engine = Engine(queue, courier, settler, tests, Upkeep(log), change, turn=turn, clock=clock, name=name)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, engine.stop)
        await engine.recover()
        leave_to_memory()
        ready()
        await _with_lookers(engine, name, turn, Acceptor(queue, blobs))
    finally:
        outbox.close()
        change.close()
        turn.close()
        log.close()


async def _with_lookers(engine: Engine, name: str, turn: Turn, acceptor: Acceptor) -> None:
    """Run the engine; beside it, and as long as it runs, lookers do what has nothing to do with deliveries."""
    changes = [open_change() for _ in range(3)]
    lookers = (
        DomainChecks(changes[0], turn), BounceMailboxReader(turn), Alerts(acceptor, turn), SourceTries(turn),
        Communications(acceptor, turn),
        Webhooks(changes[1], turn), Scheduler(turn),
        Runs(Runner(acceptor), changes[2], engine=name))
    try:
        await engine.run()
    finally:
        for looker in lookers:
            await looker.stop()
        for change in changes:
            change.close()


def _named(data: Path) -> AbstractContextManager[str]:
    """The engine's name, its own for as long as it lives: no lease under it is another living engine's."""
    return one_of_several(data) if is_postgresql() else only_engine(data, _Remark())


class _Remark:
    """Says now and then what is waited for."""

    def __init__(self) -> None:
        self._due_s = 0.0

    def __call__(self) -> None:
        if time.monotonic() >= self._due_s:
            _log.warning("waiting for another engine on this data directory to end")
            self._due_s = time.monotonic() + LOCK_REMARK_S
