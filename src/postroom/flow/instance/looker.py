"""What is done beside deliveries, again and again: a look, a pause, the next look, whatever the last one came to.

A look that fails is logged and noted for the doctor and the pages, and so is one that does not come back. Nothing but
`stop` and `end` ends the looking.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection

from postroom.store.looker_faults import forget_fault, store_fault
from postroom.store.turn import OnlyTurn, Turn
from postroom.store.writer import StorageBusy, StorageUnknown

# After a fault of our own the next look would likely come to the same; storage that is busy soon is not.
AFTER_FAULT_S = 10.0
STORAGE_PAUSE_S = 1.0
# No look takes so long unless something hangs.
OVERDUE_S = 1_800.0
_STORAGE = (DatabaseError, sqlite3.Error, StorageBusy, StorageUnknown, OSError)

_log = structlog.get_logger("postroom.looker")


class Looker:
    """Looks from its making until `stop`, on a task of its own, every `every_s` seconds, or when nudged where that is
    None. A look that returns true is followed by the next at once. Of several engines the one looks whose `turn` it is.
    `unsure` is called where what was known may hold no longer: after a fault, and while it is another's turn."""

    def __init__(
        self,
        name: str,
        look: Callable[[], Awaitable[bool | None]],
        *,
        every_s: float | None,
        first_s: float = 0.0,
        turn: Turn | None = None,
        unsure: Callable[[], None] = lambda: None,
    ) -> None:
        self._name, self._look, self._every_s, self._first_s = name, look, every_s, first_s
        self._turn, self._unsure = turn or OnlyTurn(), unsure
        self._nudged, self._ending = asyncio.Event(), asyncio.Event()
        self._fault: tuple[datetime, str] | None = None
        self._may_be_noted = True  # in an earlier life
        self._noting: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._run(), name=name)
        self._task.add_done_callback(self._ended)

    @property
    def is_ending(self) -> bool:
        """Whether this look is the last."""
        return self._ending.is_set()

    def nudge(self) -> None:
        """There may be something to do: look without waiting for the end of the pause."""
        self._nudged.set()

    async def stop(self) -> None:
        """End at once, in the middle of a look if need be."""
        self._ending.set()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def end(self) -> None:
        """End after the look that is under way."""
        self._ending.set()
        self._nudged.set()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        await asyncio.sleep(self._first_s)
        if self._every_s is None:
            await self._nudged.wait()
        while not self.is_ending:
            self._nudged.clear()
            await _pause(await self._looked(), self._nudged)

    async def _looked(self) -> float | None:
        """One look, and a rest where it failed; the seconds until the next, None to wait for a nudge."""
        overdue = asyncio.get_running_loop().call_later(OVERDUE_S, self._miss)
        try:
            if not self._turn.is_mine:
                # What is noted meanwhile is of somebody who may not live to forget it.
                self._fault, self._may_be_noted = None, True
                self._unsure()
                return self._every_s
            has_more = await self._look()
        except _STORAGE as error:
            _log.error("the storage did not answer", looker=self._name, error=str(error))
            await sync_to_async(_begin_anew)()
            return await self._failed(error, STORAGE_PAUSE_S)
        except asyncio.CancelledError as error:
            if self._is_cancelled():
                raise
            _log.exception("a look was cut short by something that it waited for", looker=self._name)
            return await self._failed(error, AFTER_FAULT_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look may go well, and nobody else looks
            _log.exception("a look broke off", looker=self._name)
            return await self._failed(error, AFTER_FAULT_S)
        finally:
            overdue.cancel()
        await self._succeeded()
        return 0.0 if has_more else self._every_s

    async def _failed(self, error: BaseException, pause_s: float) -> float:
        self._unsure()
        await self._note(f"{type(error).__name__}: {error}")
        await _pause(pause_s, self._ending)
        # What looks rarely does not wait as long to make up for a look that failed.
        return min(self._every_s or 0.0, pause_s)

    async def _note(self, text: str) -> None:
        """Written where the fault is new, so that one that lasts costs the database nothing more."""
        since, before = self._fault or (datetime.now(UTC), None)
        if text != before and await self._stored(lambda: store_fault(self._name, since, text)):
            self._fault, self._may_be_noted = (since, text), True

    async def _succeeded(self) -> None:
        if self._may_be_noted and await self._stored(lambda: forget_fault(self._name)):
            self._fault, self._may_be_noted = None, False

    async def _stored(self, write: Callable[[], None]) -> bool:
        """Whether it was written; the log has the fault in any case, and looking is more than telling."""
        try:
            await sync_to_async(write)()
        except Exception as error:  # noqa: BLE001 - it is tried again after the next look
            _log.error("how a look ended could not be stored", looker=self._name, error=str(error))
            return False
        return True

    def _miss(self) -> None:
        _log.error("a look does not come back", looker=self._name, after_s=OVERDUE_S)
        self._noting = asyncio.get_running_loop().create_task(
            self._note(f"The look that began {OVERDUE_S / 60:.0f} minutes ago has not come back.")
        )

    def _is_cancelled(self) -> bool:
        """Whether somebody ended the task itself; not so where something that it awaits was cancelled."""
        return self.is_ending or self._task.cancelling() > 0

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("nobody looks any more", looker=self._name, exc_info=error)


class Interval:
    """Says now and then that it is over."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._over_s = seconds, 0.0

    def is_over(self) -> bool:
        """Whether so many seconds have passed since it last was, which it never was at first; inside the loop."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._over_s:
            return False
        self._over_s = now_s + self._seconds
        return True


async def _pause(seconds: float | None, until: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await until.wait()


def _begin_anew() -> None:
    """Close the connection of the thread that runs this: only it may, and one that broke stays broken."""
    with suppress(DatabaseError):
        connection.close()
