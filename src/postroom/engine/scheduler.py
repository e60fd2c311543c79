"""Begins the runs of subscriptions when they are due, beside deliveries and never in their way."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from postroom.flow.scheduled_runs import AT_ONCE, begin_due_runs, correct_next_instants
from postroom.store.clock import DatabaseClock
from postroom.store.turn import Turn

LOOK_S = 0.5
AFTER_FAULT_S = 10.0
MEASURE_S = 60.0
CORRECT_S = 3_600.0
# Clocks are set forward and back by less than this all the time.
STEP_BACK = timedelta(seconds=2)

_log = structlog.get_logger("postroom.engine")


class Scheduler:
    """Looks from its making until `stop`, on a task of its own; of several engines the one whose `turn` it is does.

    `now` is the clock that schedules go by: by default the database's, which is this machine's on SQLite."""

    def __init__(self, turn: Turn, now: Callable[[], datetime] | None = None) -> None:
        self._turn = turn
        self._clock = DatabaseClock()
        self._now = now or self._clock.now
        self._latest: datetime | None = None
        self._measured_s = self._corrected_s = -CORRECT_S
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(_ended)

    async def stop(self) -> None:
        """End at once: what was not committed is found due again."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                if self._turn.is_mine:
                    await self._round()
                else:
                    self._corrected_s = -CORRECT_S
            except (DatabaseError, sqlite3.Error) as error:
                _log.error("runs that are due could not be begun", error=str(error))
            except Exception:  # noqa: BLE001 - whatever it is, the next look may go well, and nobody else looks
                _log.exception("the look for runs that are due broke off")
                await asyncio.sleep(AFTER_FAULT_S)
            await asyncio.sleep(LOOK_S)

    async def _round(self) -> None:
        counted_s = time.monotonic()
        if counted_s - self._measured_s >= MEASURE_S:
            await sync_to_async(self._clock.measure)()
            self._measured_s = counted_s
        now = self._now()
        went_back = self._latest is not None and self._latest - now > STEP_BACK
        self._latest = now
        if went_back or counted_s - self._corrected_s >= CORRECT_S:
            await sync_to_async(correct_next_instants)(now)
            self._corrected_s = counted_s
        begun = AT_ONCE
        while begun >= AT_ONCE:
            if begun := await sync_to_async(begin_due_runs)(now):
                _log.info("runs of subscriptions begun", runs=begun)


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("subscriptions are no longer run on their schedules", exc_info=error)
