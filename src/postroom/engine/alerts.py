"""The look around for what people should be warned of, beside deliveries, and the mail about it."""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from postroom.flow.accept import Acceptor
from postroom.flow.alert_notices import decide_notices, queue_notices
from postroom.flow.alerts import Pace, forget_closed, look_around
from postroom.store.turn import Turn

LOOK_S = 15.0
KEPT = timedelta(days=400)
_FORGET_S = 3_600.0

_log = structlog.get_logger("postroom.engine")


class Alerts:
    """Looks from its making until `stop`, on a task of its own; of several engines the one whose `turn` it is does."""

    def __init__(self, acceptor: Acceptor, turn: Turn, *, look_s: float = LOOK_S) -> None:
        self._acceptor, self._turn, self._look_s = acceptor, turn, look_s
        self._forgot_s, self._pace = -_FORGET_S, Pace()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(_ended)

    async def stop(self) -> None:
        """End at once; whoever looks next goes on where this one was."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                if self._turn.is_mine:
                    await self._round()
            except DatabaseError as error:
                _log.error("nobody could look for what is wrong", error=str(error))
            except Exception:  # noqa: BLE001 - whatever it is, the next look may go well, and nobody else looks
                _log.exception("the look for what is wrong broke off")
            await asyncio.sleep(self._look_s)

    async def _round(self) -> None:
        await sync_to_async(look_around)(datetime.now(UTC), self._pace)
        await sync_to_async(decide_notices)(datetime.now(UTC))
        await queue_notices(self._acceptor, datetime.now(UTC))
        now_s = asyncio.get_running_loop().time()
        if now_s - self._forgot_s >= _FORGET_S:
            self._forgot_s = now_s
            await sync_to_async(forget_closed)(datetime.now(UTC) - KEPT)


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("nobody looks for what is wrong any more", exc_info=error)
