"""The mailbox for bounces, looked at once a minute and when somebody asks, beside deliveries and never in their way."""

import asyncio

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection
from django.utils import timezone

from postroom.flow.bounce_mailbox import is_look_due, look
from postroom.store.turn import Turn

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
        """End; a look that is under way in its thread ends by itself, and what it read twice counts once."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                if self._turn.is_mine and await sync_to_async(is_look_due)(timezone.now(), LOOK_PAUSE_S):
                    # In a thread of its own: a slow mail server must not hold what else waits for the database.
                    await asyncio.to_thread(_look)
            except DatabaseError as error:
                _log.error("the mailbox for bounces could not be looked at", error=str(error))
            await asyncio.sleep(ASK_S)


def _look() -> None:
    try:
        look(timezone.now())
    finally:
        connection.close()


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("bounces are no longer read from their mailbox", exc_info=error)
