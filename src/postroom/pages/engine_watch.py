"""Whether an engine is there, watched by the process that serves pages: when none is, nobody else can tell."""

import asyncio
from datetime import UTC, datetime

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from postroom.flow.alerts import look_around

# At the start an engine may need a moment longer than this process.
FIRST_S = 60.0
LOOK_S = 30.0

_log = structlog.get_logger("postroom.web")


class EngineWatch:
    """Looks from `start` until `stop`, on a task of its own."""

    def __init__(self, *, first_s: float = FIRST_S, look_s: float = LOOK_S) -> None:
        self._first_s, self._look_s = first_s, look_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        await asyncio.sleep(self._first_s)
        while True:
            try:
                await sync_to_async(_looked)()
            except DatabaseError as error:
                _log.error("nobody could look whether an engine is there", error=str(error))
            await asyncio.sleep(self._look_s)


def _looked() -> None:
    look_around(datetime.now(UTC), for_web=True)
