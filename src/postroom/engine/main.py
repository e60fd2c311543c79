"""The engine process: the only one that delivers and tests. One works on a data directory at a time."""

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvloop
from django.conf import settings

from postroom.flow.deliver import Courier
from postroom.flow.run_test import Prober
from postroom.flow.settle import Settler
from postroom.net.own_name import own_name
from postroom.store.activity_log import ActivityLog
from postroom.store.blobs import Blobs
from postroom.store.change import open_change
from postroom.store.outbox import open_outbox

from .domain_checks import DomainChecks
from .engine import Engine
from .server_tests import ServerTests
from .upkeep import Upkeep

LOCK_PAUSE_S = 0.1
LOCK_REMARK_S = 10.0
UNFINISHED_S = 3_600.0

_log = structlog.get_logger("postroom.engine")


def serve(ready: Callable[[], None]) -> None:
    """Deliver and test until SIGTERM or SIGINT. `ready` is called once that has begun."""
    with _only_engine(settings.DATA_DIR):
        uvloop.run(_serve_until_signal(ready))


async def _serve_until_signal(ready: Callable[[], None]) -> None:
    data = Path(settings.DATA_DIR)
    outbox, log, change = open_outbox(), ActivityLog(data / "logs"), open_change()
    try:
        queue, blobs = outbox.queue, Blobs(data / "blobs")
        blobs.discard_unfinished(time.time() - UNFINISHED_S)
        settler = Settler(queue, log)
        courier = Courier(queue, blobs, log, settler, default_ehlo_name=own_name())
        tests = ServerTests(Prober(log, data / "logs", own_name()))
        engine = Engine(queue, courier, settler, tests, Upkeep(log), change)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, engine.stop)
        await engine.recover()
        ready()
        await _with_domain_checks(engine)
    finally:
        outbox.close()
        change.close()
        log.close()


async def _with_domain_checks(engine: Engine) -> None:
    """Run the engine; beside it, and as long as it runs, domains are looked at."""
    change = open_change()
    checks = DomainChecks(change)
    try:
        await engine.run()
    finally:
        await checks.stop()
        change.close()


@contextmanager
def _only_engine(data: Path) -> Iterator[None]:
    """Hold the engine's lock, which the kernel lets go with the process: no lease of another engine is alive then."""
    descriptor = os.open(data / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for(descriptor)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int) -> None:
    remark_s = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= remark_s:
                _log.warning("waiting for another engine on this data directory to end")
                remark_s = time.monotonic() + LOCK_REMARK_S
            time.sleep(LOCK_PAUSE_S)
        else:
            return
