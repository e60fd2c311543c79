"""Group commit on SQLite: one thread of a process owns the writing connection.

All work of one kind in a group is written by few long statements: for each statement the thread gives up Python's
global lock and must get it back, which costs more than the statement of a single row. Callers hear of success only
after the commit of their group is synced (D1).

A unit that can't be written must not spoil the others: where the quick way fails, the group is rolled back and written
again, each unit in a savepoint of its own.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .database import SQLITE_PRAGMAS
from .write_lock import WAIT_S, WriteLock, WriteLockTimeout
from .writer import GroupThread, StorageBusy, StorageUnknown, Unit

# Statements that differ in the number of their rows are prepared once each.
_CACHED_STATEMENTS = 512

# Errors of SQLite that are about the file, and so about the whole group; any other is about one unit.
_OF_ALL = frozenset((
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_INTERRUPT,
))
_PRIMARY_CODE = 0xFF

T = TypeVar("T")


class WriteApart(Exception):
    """Raised by `Kind.write`: these items must be written one by one."""


class Gathering(Protocol):
    """What the units of one group write together, such as counts. Used in the writer's thread only."""

    def begin(self) -> None:
        """A group begins; what an earlier one left behind was not committed."""

    def finish(self, connection: sqlite3.Connection) -> None:
        """Write, right before the group is committed."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of work. `write` does it for several items at once inside a transaction, `one` for one of them; both are
    undone and asked again where a group is rolled back. Results of `write`, one for each item, may be exceptions.
    Kinds of a lower `turn` come first in a group."""

    write: Callable[[sqlite3.Connection, list[Any]], Sequence[Any]]
    one: Callable[[sqlite3.Connection, Any], Any]
    turn: int = 0


_Group = list[Unit[Kind]]


def connect(database: Path) -> sqlite3.Connection:
    """A connection as every writer of ours needs it: WAL, every commit synced, transactions begun by hand."""
    connection = sqlite3.connect(
        database, isolation_level=None, timeout=WAIT_S, check_same_thread=False, cached_statements=_CACHED_STATEMENTS
    )
    try:
        for pragma in SQLITE_PRAGMAS:
            connection.execute(pragma)
        # Else SQLite overwrites what it frees, where a file system keeps older versions of a page anyway.
        connection.execute("PRAGMA secure_delete=OFF")
    except BaseException:
        connection.close()
        raise
    return connection


class GroupWriter:
    """Writes to one SQLite database, group by group, in a thread of its own. After a group that had to wait for another
    process it rests for `rest_s`: who has time leaves the lock to those who have none, and writes more at once."""

    def __init__(self, database: Path, *, lock_wait_s: float = WAIT_S, rest_s: float = 0.0) -> None:
        self._database = database
        self._rest_s = rest_s
        self._was_contended = False
        self._lock = WriteLock(database)
        self._lock_wait_s = lock_wait_s
        self._connection: sqlite3.Connection | None = None
        self._gatherings: list[Gathering] = []
        self._thread = GroupThread[Kind](self._write, self._drop_connection)

    def post(self, kind: Kind, item: Any) -> "asyncio.Future[Any]":
        """As `GroupThread.post`."""
        return self._thread.post(kind, item)

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        """Have `work` done and committed. The future raises what `work` raised, StorageUnknown or StorageBusy."""
        future: Future[T] = Future()
        self._thread.put(Unit(_WORK, work, future))
        return future

    def gather(self, gathering: Gathering) -> None:
        """From the next group on, tell `gathering` of each group."""
        self._gatherings.append(gathering)

    def close(self) -> None:
        """Finish what was submitted, then stop. May be called twice."""
        self._thread.close()

    def _write(self, group: _Group) -> float:
        """Give each unit its result, or the error that all met. How long to rest, in seconds."""
        group = self._locked_for(group)
        if not group:
            return 0.0
        try:
            self._commit(group)
        except (sqlite3.Error, OSError) as error:
            self._drop_connection()
            _fail(group, StorageUnknown(f"the database did not confirm the commit: {error}"))
        except Exception as fault:  # noqa: BLE001  ours: whoever asked hears of it, and the thread goes on
            self._drop_connection()
            _fail(group, fault)
        finally:
            self._lock.release()
        return self._rest_s if self._was_contended else 0.0

    def _locked_for(self, group: _Group) -> _Group:
        """Those of the group for which the write lock was taken in time; without any it is not held. Whoever waits
        longest decides, so that nobody waits longer in all, however many groups failed before (D6)."""
        while group:
            try:
                wait_s = max(0.0, group[0].put_s + self._lock_wait_s - time.monotonic())
                self._was_contended = self._lock.acquire(wait_s)
                return group
            except (WriteLockTimeout, OSError) as error:
                late_s = time.monotonic() - (self._lock_wait_s if isinstance(error, WriteLockTimeout) else 0.0)
                _fail([unit for unit in group if unit.put_s <= late_s], StorageBusy(f"nothing was written: {error}"))
                group = [unit for unit in group if unit.put_s > late_s]
        return group

    def _commit(self, group: _Group) -> None:
        if self._connection is None:
            self._connection = connect(self._database)
        connection = self._connection
        gatherings = tuple(self._gatherings)
        try:
            self._transact(connection, group, gatherings, _written_together)
        except Exception as error:
            if is_about_file(error):
                raise
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._transact(connection, group, gatherings, _written_apart)

    def _transact(
        self,
        connection: sqlite3.Connection,
        group: _Group,
        gatherings: Iterable[Gathering],
        write: Callable[[sqlite3.Connection, _Group], None],
    ) -> None:
        connection.execute("BEGIN IMMEDIATE")
        for gathering in gatherings:
            gathering.begin()
        write(connection, group)
        for gathering in gatherings:
            gathering.finish(connection)
        connection.execute("COMMIT")

    def _drop_connection(self) -> None:
        """Close, so that the next group reads what is really on the disk."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _written_together(connection: sqlite3.Connection, group: _Group) -> None:
    kinds: dict[Kind, _Group] = {}
    for unit in group:
        kinds.setdefault(unit.kind, []).append(unit)
    for kind in sorted(kinds, key=lambda kind: kind.turn):
        units = kinds[kind]
        results = kind.write(connection, [unit.item for unit in units])
        for unit, result in zip(units, results, strict=True):
            unit.result = result


def _written_apart(connection: sqlite3.Connection, group: _Group) -> None:
    for unit in group:
        unit.result = _in_savepoint(connection, unit.kind.one, unit.item)


def _in_savepoint(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection, Any], Any], item: Any) -> Any:
    """What the work returned, or the error that undid it and nothing else. Raises errors that are about the file."""
    connection.execute("SAVEPOINT unit")
    result: Any
    try:
        result = work(connection, item)
    except Exception as error:
        if is_about_file(error):
            raise
        connection.execute("ROLLBACK TO unit")
        result = error
    connection.execute("RELEASE unit")
    return result


def is_about_file(error: Exception) -> bool:
    """Whether SQLite could not read or write its file: then it is about everything, not one row."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY_CODE in _OF_ALL


_WORK = Kind(
    write=lambda connection, works: [_in_savepoint(connection, lambda c, work: work(c), work) for work in works],
    one=lambda connection, work: work(connection),
)


def _fail(group: _Group, error: Exception) -> None:
    for unit in group:
        unit.result = error
