"""Group commit on PostgreSQL: one thread of a process owns a connection; what gathered while the last commit ran goes
into the next, all work of one kind by few statements.

Other processes commit at the same time, on other machines, too; rows are shared by the statements themselves. A caller
hears of success only after the commit is synced (D1). An error before the commit was asked for means that nothing was
written; an error of the commit itself is *unknown* (D4), and the next group begins on a new connection.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors

from .database import CHANNEL, connected
from .writer import GROUP_SIZE, PENDING_LIMIT, StorageBusy, StorageUnknown

Connection = psycopg.Connection[tuple[Any, ...]]
# Two groups that wait for each other's rows: one of them begins anew.
_TRIES = 4
_AGAIN = (errors.SerializationFailure, errors.DeadlockDetected)
# Errors of what somebody wanted written, not of the database.
_OF_ONE_UNIT = (psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError, psycopg.NotSupportedError)


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of work. `write` does it for several items at once, inside a transaction; its results, one for each item,
    may be exceptions. `tells`: others wait for what it writes. `is_last`: it locks rows that other processes want."""

    write: Callable[[Connection, list[Any]], Sequence[Any]]
    tells: bool = False
    is_last: bool = False


@dataclass(slots=True)
class _Unit:
    kind: Kind
    item: Any
    future: "asyncio.Future[Any] | None"
    result: Any = None


class PostgresWriter:
    """Writes to the database that `conninfo` names, group by group, in a thread of its own."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._pending: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="group-writer", daemon=True)
        self._thread.start()

    def submit(self, kind: Kind, item: Any) -> "asyncio.Future[Any]":
        """Have the item written and committed. The future, of the running loop, raises what the work came to,
        StorageUnknown or StorageBusy."""
        future = asyncio.get_running_loop().create_future()
        self._put(_Unit(kind, item, future))
        return future

    def submit_unheard(self, kind: Kind, item: Any) -> None:
        """As `submit`; nobody hears what became of it. Raises StorageBusy."""
        self._put(_Unit(kind, item, None))

    def close(self) -> None:
        """Finish what was submitted, then stop. May be called twice."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._pending.put(None)
        self._thread.join()

    def _put(self, unit: _Unit) -> None:
        with self._closing:
            if self._closed:
                raise StorageBusy("the writer is closed")
            if self._pending.qsize() >= PENDING_LIMIT:
                raise StorageBusy(f"{PENDING_LIMIT} units of work wait for the database already")
            self._pending.put(unit)

    def _run(self) -> None:
        while True:
            unit = self._pending.get()
            group: list[_Unit] = []
            while unit is not None:
                if unit.future is None or not unit.future.cancelled():
                    group.append(unit)
                if len(group) >= GROUP_SIZE or self._pending.empty():
                    break
                unit = self._pending.get()
            if group:
                self._write(group)
                _tell(group)
            if unit is None:
                self._drop_connection()
                return

    def _write(self, group: list[_Unit]) -> None:
        """Give each unit its result, or the error that it met."""
        for _ in range(_TRIES):
            try:
                self._commit(group)
                return
            except _AGAIN as again:
                self._drop_connection()
                error: Exception = StorageBusy(f"nothing was written: {_said(again)}")
            except _OF_ONE_UNIT as refused:
                self._drop_connection()
                if len(group) > 1:
                    for unit in group:
                        self._write([unit])
                    return
                group[0].result = refused
                return
            except StorageUnknown as unknown:
                self._drop_connection()
                error = unknown
                break
            except psycopg.Error as failure:
                self._drop_connection()
                error = StorageBusy(f"nothing was written: {_said(failure)}")
                break
            except Exception as fault:  # noqa: BLE001  ours: whoever asked hears of it, and the thread goes on
                self._drop_connection()
                error = fault
                break
        for unit in group:
            unit.result = error

    def _commit(self, group: list[_Unit]) -> None:
        if self._connection is None:
            self._connection = connected(self._conninfo)
        connection = self._connection
        kinds: dict[Kind, list[_Unit]] = {}
        for unit in group:
            kinds.setdefault(unit.kind, []).append(unit)
        connection.execute("BEGIN")
        for kind, units in sorted(kinds.items(), key=lambda pair: pair[0].is_last):
            results = kind.write(connection, [unit.item for unit in units])
            for unit, result in zip(units, results, strict=True):
                unit.result = result
        if any(kind.tells for kind in kinds):
            connection.execute(f"NOTIFY {CHANNEL}")
        _commit(connection)

    def _drop_connection(self) -> None:
        """Close, so that the next group reads what is really stored."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _commit(connection: Connection) -> None:
    try:
        done = connection.execute("COMMIT").statusmessage
    except psycopg.IntegrityError:
        raise  # a constraint that is looked at last: the server says that nothing was written
    except psycopg.Error as error:
        raise StorageUnknown(f"the database did not confirm the commit: {_said(error)}") from error
    if done != "COMMIT":
        raise StorageUnknown(f"the database did not confirm the commit: it answered {done}")


def _said(error: psycopg.Error) -> str:
    """The first line of what went wrong."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _tell(group: list[_Unit]) -> None:
    """Hand the results to the loops that wait for them, to each by one call: a call from another thread is dear."""
    heard: dict[asyncio.AbstractEventLoop, list[_Unit]] = {}
    for unit in group:
        if unit.future is not None:
            heard.setdefault(unit.future.get_loop(), []).append(unit)
    for loop, units in heard.items():
        with suppress(RuntimeError):  # a loop that is closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle, units)


def _settle(units: list[_Unit]) -> None:
    for unit in units:
        if unit.future is None or unit.future.done():
            continue
        if isinstance(unit.result, Exception):
            unit.future.set_exception(unit.result)
        else:
            unit.future.set_result(unit.result)
