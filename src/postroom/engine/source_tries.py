"""Tries of report sources, a few at a time, beside deliveries and never in their way."""

from contextlib import suppress
from datetime import UTC, datetime

from asgiref.sync import sync_to_async
from django.db import DatabaseError

from postroom.flow.instance.looker import Interval, Looker
from postroom.flow.reports.try_source import (
    claim_try,
    forget_old_tries,
    give_back_tries,
    note_broken,
    requeue_abandoned_tries,
    run_try,
)
from postroom.store.models import SourceTry
from postroom.store.turn import Turn

from .own_thread import in_own_thread
from .under_way import UnderWay

AT_ONCE = 2
LOOK_S = 0.5
RETAIN_S = 3_600.0


class SourceTries:
    """Works off tries from its making until `stop`; of several engines the one whose `turn` it is does."""

    def __init__(self, turn: Turn) -> None:
        self._running = UnderWay("a try of a report source")
        self._may_have_lost_one = True
        self._retaining = Interval(RETAIN_S)
        self._looker = Looker("source-tries", self._round, every_s=LOOK_S, turn=turn, unsure=self._doubt)

    async def stop(self) -> None:
        """End at once; what was under way is begun again by the next engine."""
        await self._looker.stop()
        under_way = list(self._running)
        await self._running.stop()
        with suppress(DatabaseError):  # then they count as begun
            await sync_to_async(give_back_tries)(under_way)

    def _doubt(self) -> None:
        """A claim may have been stored all the same, or another engine may leave something behind."""
        self._may_have_lost_one = True

    async def _round(self) -> None:
        if self._may_have_lost_one:
            await sync_to_async(requeue_abandoned_tries)(list(self._running))
            self._may_have_lost_one = False
        if self._retaining.is_over():
            await sync_to_async(forget_old_tries)(datetime.now(UTC))
        while len(self._running) < AT_ONCE and (row := await sync_to_async(claim_try)()) is not None:
            self._running.begin(row.pk, _worked(row))


async def _worked(row: SourceTry) -> None:
    await in_own_thread(lambda: _tried(row), "source-try")


def _tried(row: SourceTry) -> None:
    try:
        run_try(row)
    except Exception:
        with suppress(DatabaseError):
            note_broken(row)
        raise
