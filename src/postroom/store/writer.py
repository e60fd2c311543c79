"""The thread of a group writer: what gathered while the last commit ran goes into the next one.

A database has one writer in each process (`writer_sqlite.py`, `writer_postgres.py`), which says how a group of units is
written. The callers of a loop hear of a whole group at once, for a call from another thread is dear.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

GROUP_SIZE = 500
PENDING_LIMIT = 20_000

K = TypeVar("K")


class StorageUnknown(Exception):
    """The commit failed: the work may be stored or not. Never answer 2xx; read again before deciding (D4)."""


class StorageBusy(Exception):
    """Nothing was written: the database stayed locked, or too much work waits already (D6)."""


@dataclass(slots=True, eq=False)
class Unit(Generic[K]):
    """An item of some kind, to be written. Nobody hears of it where there is no `future`. `put_s` is monotonic time;
    a `result` that is an exception is raised by the future."""

    kind: K
    item: Any
    future: "asyncio.Future[Any] | Future[Any] | None"
    put_s: float = field(default_factory=time.monotonic)
    result: Any = None


class GroupThread(Generic[K]):
    """Calls `write` with one group of units after the other, in a thread of its own, and `end` at last. Where `write`
    returns a number of seconds, the next group only gathers for so long."""

    def __init__(self, write: Callable[[list[Unit[K]]], float | None], end: Callable[[], None]) -> None:
        self._write, self._end = write, end
        self._pending: queue.SimpleQueue[Unit[K] | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="group-writer", daemon=True)
        self._thread.start()

    def post(self, kind: K, item: Any) -> "asyncio.Future[Any]":
        """Have the item written and committed. The future, of the running loop, raises what the work came to,
        StorageUnknown or StorageBusy."""
        future = asyncio.get_running_loop().create_future()
        try:
            self.put(Unit(kind, item, future))
        except StorageBusy as busy:
            future.set_exception(busy)
        return future

    def put(self, unit: Unit[K]) -> None:
        """Raises StorageBusy."""
        with self._closing:
            if self._closed:
                raise StorageBusy("the writer is closed")
            if self._pending.qsize() >= PENDING_LIMIT:
                raise StorageBusy(f"{PENDING_LIMIT} units of work wait for the database already")
            self._pending.put(unit)

    def close(self) -> None:
        """Finish what was put, then stop. May be called twice."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._pending.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            unit = self._pending.get()
            group: list[Unit[K]] = []
            while unit is not None:
                if _is_wanted(unit):
                    group.append(unit)
                if len(group) >= GROUP_SIZE or self._pending.empty():
                    break
                unit = self._pending.get()
            if group:
                rest_s = self._write(group)
                _tell(group)
                if rest_s:
                    time.sleep(rest_s)
            if unit is None:
                self._end()
                return


def _is_wanted(unit: Unit[K]) -> bool:
    """Whether nobody has given the unit up meanwhile; it is not given up any more afterwards."""
    if isinstance(unit.future, Future):
        return unit.future.set_running_or_notify_cancel()
    return unit.future is None or not unit.future.cancelled()


def _tell(group: list[Unit[K]]) -> None:
    """Hand results over: to each loop all of its own by one call."""
    of_loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for unit in group:
        if isinstance(unit.future, Future):
            _resolve(unit.future, unit.result)
        elif unit.future is not None:
            of_loops.setdefault(unit.future.get_loop(), []).append((unit.future, unit.result))
    for loop, results in of_loops.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, results)
        except RuntimeError:  # the loop is closed: nobody is left to hear
            continue


def _resolve_all(results: "list[tuple[asyncio.Future[Any], Any]]") -> None:
    for future, result in results:
        if not future.done():
            _resolve(future, result)


def _resolve(future: "asyncio.Future[Any] | Future[Any]", result: Any) -> None:
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
