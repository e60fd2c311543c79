"""What transactions came to, on its way into the queue: those that ended while one commit ran make the next one."""

import asyncio
from collections.abc import Callable
from itertools import groupby

import structlog

from postroom.flow.delivery.deliver import Carried, Courier, Group, Outgoing
from postroom.flow.delivery.settle import Standings

# So many wait at most before no more is begun; so many are explained and settled at once.
UNSETTLED = 256
AT_ONCE = 128
# While commits follow each other the next one waits so long for more: each costs a sync and changes of threads.
GATHERING_S = 0.005

_log = structlog.get_logger("postroom.engine")


class Settlements:
    """Of one lane. `settled` is told of each group whose end is stored, or could not be worked out."""

    def __init__(self, courier: Courier, standings: Standings, settled: Callable[[Group], None]) -> None:
        self._courier, self._standings, self._settled = courier, standings, settled
        self._waiting: list[tuple[Outgoing, Carried]] = []
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be begun before something is settled."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Wait until something may be begun."""
        await self._room.wait()

    def add(self, server: Outgoing, carried: Carried) -> None:
        self._waiting.append((server, carried))
        if len(self._waiting) >= UNSETTLED:
            self._room.clear()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._settle())

    @property
    def tasks(self) -> "set[asyncio.Task[None]]":
        """What is at work."""
        return {self._task} if self._task is not None and not self._task.done() else set()

    async def _settle(self) -> None:
        while self._waiting:
            server = self._waiting[0][0]
            _, of_it = next(groupby(self._waiting[:AT_ONCE], key=lambda waiting: id(waiting[0])))
            batch = [carried for _, carried in of_it]
            del self._waiting[: len(batch)]
            if len(self._waiting) < UNSETTLED:
                self._room.set()
            try:
                await self._store(server, batch)
            finally:
                for carried in batch:
                    self._settled(carried.group)
            if 0 < len(self._waiting) < AT_ONCE:
                await asyncio.sleep(GATHERING_S)

    async def _store(self, server: Outgoing, batch: list[Carried]) -> None:
        """All of the batch; where one breaks it, each by itself, so that no other known outcome is forgotten (D6)."""
        try:
            await self._courier.settle(server, batch, self._standings)
        except Exception:  # noqa: BLE001 - logged whole; a lease that is not settled runs out
            _log.exception("transactions could not be settled", server=server.name.name, transactions=len(batch))
            if len(batch) > 1:
                for carried in batch:
                    await self._store(server, [carried])
