"""What a looker began and does not wait for: one task for each name, and what it raises is logged."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator

import structlog

_log = structlog.get_logger("postroom.engine")


class UnderWay:
    """Of one looker. `what` says in the log what broke; `ended` is called after each task."""

    def __init__(self, what: str, ended: Callable[[], None] = lambda: None) -> None:
        self._what, self._ended = what, ended
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, name: str, work: Coroutine[None, None, None]) -> None:
        """No other of that name is under way."""
        task = self._tasks[name] = asyncio.create_task(work, name=name)
        task.add_done_callback(self._done)

    async def stop(self, within_s: float = 0.0) -> None:
        """Wait so long for what ends by itself, and end the rest in the middle."""
        late = set(self._tasks.values())
        if late and within_s:
            _, late = await asyncio.wait(late, timeout=within_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(task.get_name(), None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("what was begun broke off", what=self._what, id=task.get_name(), exc_info=error)
        self._ended()
