"""What the hot doors know of the database without asking it for every message: read again once it is a second old."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Generic, TypeVar

# A revoked token, a changed server or a new rule counts within one second; the reading itself takes its part of it.
YOUNG_S = 0.8
_ENTRIES = 1_000
K = TypeVar("K")
V = TypeVar("V")


class Fresh(Generic[K, V]):
    """Values by key, each at most a second old. Belongs to one event loop; `read` blocks, and runs in `executor`.

    Nothing is remembered of a key that has no value: what is made just now is there at once."""

    def __init__(self, read: Callable[[K], V | None], executor: Executor | None = None) -> None:
        self._read = read
        self._executor = executor
        self._known: dict[K, tuple[float, V]] = {}
        self._reading: dict[K, asyncio.Future[V | None]] = {}

    def young(self, key: K) -> V | None:
        """The value when it is known and young; None says nothing."""
        known = self._known.get(key)
        return known[1] if known is not None and time.monotonic() - known[0] < YOUNG_S else None

    async def get(self, key: K) -> V | None:
        """The value as it is now or was within the last second, None where there is none. Raises what `read` raises.

        Whoever asks while the same key is being read waits for that reading."""
        value = self.young(key)
        if value is not None:
            return value
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.ensure_future(self._renewed(key))
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(reading)

    async def _renewed(self, key: K) -> V | None:
        begun = time.monotonic()
        value = await asyncio.get_running_loop().run_in_executor(self._executor, self._read, key)
        if value is None:
            self._known.pop(key, None)
        else:
            if len(self._known) >= _ENTRIES:
                self._known.clear()
            self._known[key] = (begun, value)
        return value
