"""The mailbox for bounces, looked at once a minute and when somebody asks, beside deliveries and never in their way."""

import asyncio

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.utils import timezone

from postroom.flow.bounce_mailbox import is_look_due, look
from postroom.store.turn import Turn

from .own_thread import in_own_thread

ASK_S = 2.0
LOOK_PAUSE_S = 60.0

_log = structlog.get_logger("postroom.engine")


class BounceMailboxReader:
    """Looks from its making until `stop`, on a task of its own; of several engines the one whose `turn` it is does."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(_ended)

    async def stop(self) -> None:
        """End at once; a look that is under way is left alone, and what the next engine reads twice counts once."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                if self._turn.is_mine and await sync_to_async(is_look_due)(timezone.now(), LOOK_PAUSE_S):
                    await _looked()
            except DatabaseError as error:
                _log.error("the mailbox for bounces could not be looked at", error=str(error))
            except Exception:  # noqa: BLE001 - whatever it is, the next look may go well, and nobody else looks
                _log.exception("the look at the mailbox for bounces broke off")
                await asyncio.sleep(LOOK_PAUSE_S)
            await asyncio.sleep(ASK_S)


async def _looked() -> None:
    await in_own_thread(_look_now, "bounce-mailbox")


def _look_now() -> None:
    look(timezone.now())


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("bounces are no longer read from their mailbox", exc_info=error)
