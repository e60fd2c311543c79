"""Tests of servers, a few at a time, beside the deliveries and over the same path."""

import asyncio

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from postroom.flow.run_test import Prober, claim_test, requeue_abandoned_tests

AT_ONCE = 4
STOP_S = 5.0

_log = structlog.get_logger("postroom.engine")


class ServerTests:
    """Claims queued tests and runs them."""

    def __init__(self, runner: Prober) -> None:
        self._runner = runner
        self._running: set[asyncio.Task[None]] = set()
        self._nudge = asyncio.Event()
        self._stopping = False
        self._may_have_lost_one = False
        self._feeder = asyncio.create_task(self._feed())

    def nudge(self) -> None:
        """There may be a test to run. Raises what ended the claiming of tests, if anything did."""
        if self._feeder.done() and not self._stopping:
            self._feeder.result()
        self._nudge.set()

    def requeue_abandoned(self) -> None:
        """Queue again what an engine that is gone had begun (blocking)."""
        requeue_abandoned_tests()

    async def stop(self) -> None:
        """Claim no more; a test that does not end soon is begun again by the next engine."""
        self._stopping = True
        self._nudge.set()
        await self._feeder
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _feed(self) -> None:
        while not self._stopping:
            await self._nudge.wait()
            self._nudge.clear()
            try:
                if self._may_have_lost_one:
                    await sync_to_async(requeue_abandoned_tests)([task.get_name() for task in self._running])
                    self._may_have_lost_one = False
                while not self._stopping and len(self._running) < AT_ONCE:
                    test = await sync_to_async(claim_test)()
                    if test is None:
                        break
                    task = asyncio.create_task(self._runner.run(test), name=test.pk)
                    self._running.add(task)
                    task.add_done_callback(self._ended)
            except DatabaseError as error:
                _log.error("no test could be claimed", error=str(error))
                self._may_have_lost_one = True  # the claim may have been stored all the same

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._nudge.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a test failed to run", exc_info=error)
