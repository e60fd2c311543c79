"""The tasks of a lane's slots: its first is its own; further ones wait until those that all lanes share leave room."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Slots:
    """Of one lane. `work` is what each does; `ended` is told of each when it is over."""

    def __init__(
        self,
        shared: asyncio.Semaphore,
        work: Callable[[], Coroutine[Any, Any, None]],
        ended: "Callable[[asyncio.Task[None]], None]",
    ) -> None:
        self._shared, self._work, self._ended = shared, work, ended
        self._own: asyncio.Task[None] | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()

    @property
    def at_work(self) -> int:
        """How many have a session or open one; those that wait for room have none."""
        return len(self.tasks) - len(self._waiting)

    def start(self, groups: int, limit: int) -> None:
        """As many as these groups can use, and as may be open; for those that wait for room its own stands in (B9)."""
        wanted = min(limit - len(self.tasks), groups)
        if groups and self._own is None and self.at_work < limit:
            wanted = max(wanted, 1)
        for _ in range(wanted):
            self._begin()

    def _begin(self) -> None:
        is_own = self._own is None
        task = asyncio.create_task(self._work() if is_own else self._worked_in_turn())
        if is_own:
            self._own = task
        else:
            self._waiting.add(task)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    async def _worked_in_turn(self) -> None:
        async with self._shared:
            if (task := asyncio.current_task()) is not None:
                self._waiting.discard(task)
            await self._work()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)
        self._waiting.discard(task)
        if task is self._own:
            self._own = None
        self._ended(task)
