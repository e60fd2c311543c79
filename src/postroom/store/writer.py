"""Group commit: one thread owns the writing connection; what gathered while the last commit ran goes into the next.

A unit of work is a function of the connection. Each runs in a savepoint of its own, so that one that raises undoes
only itself; its caller hears of success only after the commit of the whole group is synced (D1).
"""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .write_lock import WAIT_S, WriteLock, WriteLockTimeout

GROUP_SIZE = 500
PENDING_LIMIT = 20_000

# Errors of one statement. Any other error of SQLite is about the file, and so about the whole group.
_OF_ONE_UNIT = (
    sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError,
    sqlite3.NotSupportedError,
)

T = TypeVar("T")
Unit = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]


class StorageUnknown(Exception):
    """The commit failed: the work may be stored or not. Never answer 2xx; read again before deciding (D4)."""


class StorageBusy(Exception):
    """Nothing was written: the database stayed locked, or too much work waits already (D6)."""


class Gathering(Protocol):
    """What the units of one group write together, such as counts. Used in the writer's thread only."""

    def begin(self) -> None:
        """A group begins; what an earlier one left behind was not committed."""

    def finish(self, connection: sqlite3.Connection) -> None:
        """Write, right before the group is committed."""


def connect(database: Path) -> sqlite3.Connection:
    """A connection as every writer of ours needs it: WAL, every commit synced, transactions begun by hand."""
    connection = sqlite3.connect(database, isolation_level=None, timeout=WAIT_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection


class GroupWriter:
    """Writes to one SQLite database, group by group, in a thread of its own."""

    def __init__(self, database: Path, *, lock_wait_s: float = WAIT_S) -> None:
        self._database = database
        self._lock = WriteLock(database)
        self._lock_wait_s = lock_wait_s
        self._pending: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._gatherings: list[Gathering] = []
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="group-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        """Have `work` done and committed. The future raises what `work` raised, StorageUnknown or StorageBusy."""
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise StorageBusy("the writer is closed")
            if self._pending.qsize() >= PENDING_LIMIT:
                raise StorageBusy(f"{PENDING_LIMIT} units of work wait for the database already")
            self._pending.put((work, future))
        return future

    def gather(self, gathering: Gathering) -> None:
        """From the next group on, tell `gathering` of each group."""
        self._gatherings.append(gathering)

    def close(self) -> None:
        """Finish what was submitted, then stop. May be called twice."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._pending.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            unit = self._pending.get()
            group: list[Unit] = []
            while unit is not None:
                if unit[1].set_running_or_notify_cancel():
                    group.append(unit)
                if len(group) >= GROUP_SIZE or self._pending.empty():
                    break
                unit = self._pending.get()
            if group:
                self._write(group)
            if unit is None:
                self._drop_connection()
                return

    def _write(self, group: list[Unit]) -> None:
        try:
            self._lock.acquire(self._lock_wait_s)
        except (WriteLockTimeout, OSError) as error:
            _fail(group, StorageBusy(f"nothing was written: {error}"))
            return
        try:
            results = self._commit(group)
        except (sqlite3.Error, OSError) as error:
            self._drop_connection()
            _fail(group, StorageUnknown(f"the database did not confirm the commit: {error}"))
            return
        finally:
            self._lock.release()
        for (_, future), (result, error_raised) in zip(group, results, strict=True):
            if error_raised is None:
                future.set_result(result)
            else:
                future.set_exception(error_raised)

    def _commit(self, group: list[Unit]) -> list[tuple[Any, Exception | None]]:
        if self._connection is None:
            self._connection = connect(self._database)
        connection = self._connection
        results: list[tuple[Any, Exception | None]] = []
        gatherings = tuple(self._gatherings)
        connection.execute("BEGIN IMMEDIATE")
        for gathering in gatherings:
            gathering.begin()
        for work, _ in group:
            connection.execute("SAVEPOINT unit")
            try:
                results.append((work(connection), None))
            except Exception as error:
                if isinstance(error, sqlite3.Error) and not isinstance(error, _OF_ONE_UNIT):
                    raise
                connection.execute("ROLLBACK TO unit")
                results.append((None, error))
            connection.execute("RELEASE unit")
        for gathering in gatherings:
            gathering.finish(connection)
        connection.execute("COMMIT")
        return results

    def _drop_connection(self) -> None:
        """Close, so that the next group reads what is really on the disk."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _fail(group: list[Unit], error: Exception) -> None:
    for _, future in group:
        future.set_exception(error)
