"""Tries of report sources, a few at a time, beside deliveries and never in their way."""

import asyncio
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from postroom.flow.try_source import (
    claim_try,
    forget_old_tries,
    note_broken,
    requeue_abandoned_tries,
    run_try,
)
from postroom.store.models import SourceTry
from postroom.store.turn import Turn

from .own_thread import in_own_thread

AT_ONCE = 2
LOOK_S = 0.5
AFTER_FAULT_S = 10.0
RETAIN_S = 3_600.0

_log = structlog.get_logger("postroom.engine")


class SourceTries:
    """Works off tries from its making until `stop`, on a task of its own; of several engines the one whose `turn` it
    is does."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._running: set[asyncio.Task[None]] = set()
        self._may_have_lost_one = True
        self._retained_s = -RETAIN_S
        self._feeder = asyncio.create_task(self._feed())
        self._feeder.add_done_callback(_ended)

    async def stop(self) -> None:
        """End at once; what was under way is begun again by the next engine."""
        tasks = (self._feeder, *self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _feed(self) -> None:
        while True:
            try:
                await self._round()
            except (DatabaseError, sqlite3.Error) as error:
                _log.error("no try of a report source could be begun", error=str(error))
                self._may_have_lost_one = True  # the claim may have been stored all the same
            except Exception:  # noqa: BLE001 - whatever it is, the next look may go well, and nobody else looks
                _log.exception("the look for tries of report sources broke off")
                self._may_have_lost_one = True
                await asyncio.sleep(AFTER_FAULT_S)
            await asyncio.sleep(LOOK_S)

    async def _round(self) -> None:
        if not self._turn.is_mine:
            self._may_have_lost_one = True  # what the engine whose turn it is leaves behind
            return
        now_s = asyncio.get_running_loop().time()
        if self._may_have_lost_one:
            await sync_to_async(requeue_abandoned_tries)([task.get_name() for task in self._running])
            self._may_have_lost_one = False
        if now_s - self._retained_s >= RETAIN_S:
            await sync_to_async(forget_old_tries)(datetime.now(UTC))
            self._retained_s = now_s
        while len(self._running) < AT_ONCE and (row := await sync_to_async(claim_try)()) is not None:
            task = asyncio.create_task(_worked(row), name=row.pk)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            task.add_done_callback(_ended)


async def _worked(row: SourceTry) -> None:
    await in_own_thread(lambda: _tried(row), "source-try")


def _tried(row: SourceTry) -> None:
    try:
        run_try(row)
    except Exception:
        with suppress(DatabaseError):
            note_broken(row)
        raise


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a report source could not be tried", exc_info=error)
