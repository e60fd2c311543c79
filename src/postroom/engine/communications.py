"""Queues what Postroom writes to people: announcements, invitations and resets of passwords, beside deliveries."""

import asyncio
from datetime import UTC, datetime

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from postroom.flow.accept import Acceptor
from postroom.flow.account_links import forget_old_links
from postroom.flow.account_mail import queue_account_mail
from postroom.flow.announcement_mail import forget_old_announcements, queue_announcement
from postroom.store.turn import Turn

LOOK_S = 1.0
AFTER_FAULT_S = 30.0
_FORGET_S = 3_600.0

_log = structlog.get_logger("postroom.engine")


class Communications:
    """Works from its making until `stop`, on a task of its own; of several engines the one whose `turn` it is does."""

    def __init__(self, acceptor: Acceptor, turn: Turn, *, look_s: float = LOOK_S) -> None:
        self._acceptor, self._turn, self._look_s = acceptor, turn, look_s
        self._forgot_s = -_FORGET_S
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(_ended)

    async def stop(self) -> None:
        """End at once; whoever looks next goes on where this one was."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                while self._turn.is_mine and await self._round():
                    pass
            except DatabaseError as error:
                _log.error("no mail to people could be written", error=str(error))
            except Exception:  # noqa: BLE001 - whatever it is, the next look may go well, and nobody else looks
                _log.exception("mail to people broke off")
                await asyncio.sleep(AFTER_FAULT_S)
            await asyncio.sleep(self._look_s)

    async def _round(self) -> bool:
        """Whether there may be more to do at once."""
        now = datetime.now(UTC)
        await queue_account_mail(self._acceptor, now)
        now_s = asyncio.get_running_loop().time()
        if now_s - self._forgot_s >= _FORGET_S:
            self._forgot_s = now_s
            await sync_to_async(forget_old_links)(now)
            await sync_to_async(forget_old_announcements)(now)
        return await queue_announcement(self._acceptor, now)


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("mail to people is no longer written", exc_info=error)
