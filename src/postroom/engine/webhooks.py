"""Makes requests of events and sends them to their webhooks, beside deliveries and never in their way: one request at a
time for each webhook, so that a slow receiver holds up no other and hears of things in their order."""

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from postroom.flow.instance.looker import AFTER_FAULT_S, Interval, Looker
from postroom.flow.webhooks.webhook_attempt import (
    Outcome,
    answer_of,
    fields_of,
    next_delivery,
    settle,
    stop_overfull,
    unanswered,
    unsigned,
    webhooks_with_work,
)
from postroom.flow.webhooks.webhook_history import forget_old
from postroom.flow.webhooks.webhook_send import EVENTS_AT_ONCE, distribute
from postroom.net.webhook_post import PostFault
from postroom.store.change import Change
from postroom.store.models import WebhookDelivery
from postroom.store.turn import Turn
from postroom.store.vault import VaultError

from .under_way import UnderWay

LOOK_S = 0.2
UNHURRIED_S = 1.0
FULL_S = 10.0
RETAIN_S = 3_600.0
RETAIN_PAUSE_S = 0.05

_log = structlog.get_logger("postroom.engine")


class Webhooks:
    """Works from its making until `stop`; of several engines the one whose `turn` it is does."""

    def __init__(self, change: Change, turn: Turn) -> None:
        self._change, self._turn = change, turn
        self._sending = UnderWay("a request to a webhook")
        self._looking, self._filling, self._retaining = Interval(UNHURRIED_S), Interval(FULL_S), Interval(RETAIN_S)
        self._looker = Looker("webhooks", self._round, every_s=LOOK_S, turn=turn)

    async def stop(self) -> None:
        """End at once; what was under way is sent again by the next engine."""
        await self._looker.stop()
        await self._sending.stop()

    async def _round(self) -> None:
        if self._change.has_come() or self._looking.is_over():
            for webhook_id in await sync_to_async(_prepared)(datetime.now(UTC)):
                if webhook_id not in self._sending:
                    self._sending.begin(webhook_id, self._send(webhook_id))
        if self._filling.is_over():
            await sync_to_async(stop_overfull)(datetime.now(UTC))
        if self._retaining.is_over():
            await self._retain()

    async def _send(self, webhook_id: str) -> None:
        """What is due, one after the other; where that breaks off, nothing more of this webhook for a while."""
        try:
            while self._turn.is_mine:
                row = await sync_to_async(next_delivery)(webhook_id, datetime.now(UTC))
                if row is None:
                    return
                await sync_to_async(settle)(row, await _attempted(row), random.random())
        except (DatabaseError, sqlite3.Error) as error:
            _log.error("what a webhook answered could not be stored", error=str(error))
            await asyncio.sleep(UNHURRIED_S)
        except Exception:  # noqa: BLE001 - whatever it is, it would come again at once
            _log.exception("telling a webhook broke off", webhook=webhook_id)
            await asyncio.sleep(AFTER_FAULT_S)

    async def _retain(self) -> None:
        batches = forget_old(datetime.now(UTC))
        is_over = False
        while not is_over:
            is_over = await sync_to_async(_step)(batches) is None
            await asyncio.sleep(RETAIN_PAUSE_S)


def _step(batches: Iterator[int]) -> int | None:
    return next(batches, None)


def _prepared(now: datetime) -> list[str]:
    """Requests of all that has happened; the ids of webhooks for which some are due."""
    while distribute(now) == EVENTS_AT_ONCE:
        continue
    return webhooks_with_work(now)


async def _attempted(row: WebhookDelivery) -> Outcome:
    at, began_s = datetime.now(UTC), asyncio.get_running_loop().time()
    try:
        fields = await sync_to_async(fields_of)(row, at)
        answer = await answer_of(row, fields)
    except VaultError as error:
        return unsigned(error, at)
    except PostFault as fault:
        return unanswered(fault, datetime.now(UTC), asyncio.get_running_loop().time() - began_s)
    return Outcome(datetime.now(UTC), asyncio.get_running_loop().time() - began_s, answer)
