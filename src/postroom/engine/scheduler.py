"""Begins the runs of subscriptions when they are due, beside deliveries and never in their way."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from asgiref.sync import sync_to_async

from postroom.flow.instance.looker import Interval, Looker
from postroom.flow.runs.scheduled_runs import AT_ONCE, begin_due_runs, correct_next_instants
from postroom.store.clock import DatabaseClock
from postroom.store.turn import Turn

LOOK_S = 0.5
MEASURE_S = 60.0
CORRECT_S = 3_600.0
# Clocks are set forward and back by less than this all the time.
STEP_BACK = timedelta(seconds=2)

_log = structlog.get_logger("postroom.engine")


class Scheduler:
    """Looks from its making until `stop`; of several engines the one whose `turn` it is does.

    `now` is the clock that schedules go by: by default the database's, which is this machine's on SQLite."""

    def __init__(self, turn: Turn, now: Callable[[], datetime] | None = None) -> None:
        self._clock = DatabaseClock()
        self._now = now or self._clock.now
        self._latest: datetime | None = None
        self._doubt()
        self._looker = Looker("scheduler", self._round, every_s=LOOK_S, turn=turn, unsure=self._doubt)

    async def stop(self) -> None:
        """End at once: what was not committed is found due again."""
        await self._looker.stop()

    def _doubt(self) -> None:
        """The clock is measured and next instants are found anew before the next run is begun."""
        self._measuring = Interval(MEASURE_S)
        self._correcting = Interval(CORRECT_S)

    async def _round(self) -> None:
        if self._measuring.is_over():
            await sync_to_async(self._clock.measure)()
        now = self._now()
        went_back = self._latest is not None and self._latest - now > STEP_BACK
        if self._correcting.is_over() or went_back:
            await sync_to_async(correct_next_instants)(now)
        self._latest = now
        begun = AT_ONCE
        while begun >= AT_ONCE:
            if begun := await sync_to_async(begin_due_runs)(now):
                _log.info("runs of subscriptions begun", runs=begun)
