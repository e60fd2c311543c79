"""The mailbox for bounces, looked at once a minute and when somebody asks, beside deliveries and never in their way."""

import asyncio
import threading
from contextlib import suppress

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
    """One look, in a thread of its own: a slow mail server holds neither what else waits for the database, nor, since
    the thread is a daemon, the end of the process (D12)."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def end(error: BaseException | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def work() -> None:
        error: BaseException | None = None
        try:
            look(timezone.now())
        except BaseException as raised:  # noqa: BLE001 - whoever waits raises it again
            error = raised
        finally:
            connection.close()
        with suppress(RuntimeError):  # the loop is over, and nobody waits
            loop.call_soon_threadsafe(end, error)

    threading.Thread(target=work, name="bounce-mailbox", daemon=True).start()
    await done


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("bounces are no longer read from their mailbox", exc_info=error)
