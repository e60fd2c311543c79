"""Looks at the DNS of mail domains, a few at a time, beside deliveries and tests and never in their way."""

import asyncio
import sqlite3
from datetime import UTC, datetime

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from postroom.flow.check_domain import (
    claim_check,
    forget_old_checks,
    requeue_abandoned_checks,
    store_result,
)
from postroom.flow.dkim_keys import own_keys
from postroom.flow.read_domain import look_at
from postroom.store.change import Change
from postroom.store.models import DomainCheck
from postroom.store.turn import Turn

AT_ONCE = 8
AFTER_FAULT_S = 10.0
LOOK_S = 0.1
UNHURRIED_S = 1.0
RETAIN_S = 3_600.0

_log = structlog.get_logger("postroom.engine")


class DomainChecks:
    """Works off checks of domains from its making until `stop`, on a task of its own."""

    def __init__(self, change: Change, turn: Turn) -> None:
        self._change, self._turn = change, turn
        self._running: set[asyncio.Task[None]] = set()
        self._may_have_lost_one = True
        self._retained_s = self._claimed_s = -RETAIN_S
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
                _log.error("no check of a domain could be begun", error=str(error))
                self._may_have_lost_one = True  # the claim may have been stored all the same
                await asyncio.sleep(UNHURRIED_S)
            except Exception:  # noqa: BLE001 - whatever it is, the next look may go well, and nobody else looks
                _log.exception("the look for checks of domains broke off")
                self._may_have_lost_one = True
                await asyncio.sleep(AFTER_FAULT_S)
            await asyncio.sleep(LOOK_S)

    async def _round(self) -> None:
        if not self._turn.is_mine:
            self._may_have_lost_one = True  # what the engine whose turn it is leaves behind
            return
        now_s = asyncio.get_running_loop().time()
        if self._may_have_lost_one:
            await sync_to_async(requeue_abandoned_checks)([task.get_name() for task in self._running])
            self._may_have_lost_one = False
        if now_s - self._retained_s >= RETAIN_S:
            await sync_to_async(forget_old_checks)(datetime.now(UTC))
            self._retained_s = now_s
        if self._change.has_come() or now_s - self._claimed_s >= UNHURRIED_S:
            self._claimed_s = now_s
            await self._begin()

    async def _begin(self) -> None:
        while len(self._running) < AT_ONCE:
            check = await sync_to_async(claim_check)()
            if check is None:
                return
            task = asyncio.create_task(self._look(check), name=check.pk)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            task.add_done_callback(_ended)

    async def _look(self, check: DomainCheck) -> None:
        keys = await sync_to_async(own_keys)(check.domain)
        reading = await look_at(check.domain, check.server_host, keys)
        await sync_to_async(store_result)(check, reading)


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a domain could not be looked at", exc_info=error)
