"""Group commit on PostgreSQL: one thread of a process owns a connection; all work of one kind in a group is written by
few statements.

Other processes commit at the same time, on other machines, too; rows are shared by the statements themselves. A caller
hears of success only after the commit is synced (D1). An error before the commit was asked for means that nothing was
written; an error of the commit itself is *unknown* (D4), and the next group begins on a new connection.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors

from .database import CHANNEL, connected
from .writer import GroupThread, StorageBusy, StorageUnknown, Unit

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


_Group = list[Unit[Kind]]


class PostgresWriter:
    """Writes to the database that `conninfo` names, group by group, in a thread of its own."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: Connection | None = None
        self._thread = GroupThread[Kind](self._write, self._drop_connection)

    def post(self, kind: Kind, item: Any) -> "asyncio.Future[Any]":
        """As `GroupThread.post`."""
        return self._thread.post(kind, item)

    def post_unheard(self, kind: Kind, item: Any) -> None:
        """As `post`; nobody hears what became of it. Raises StorageBusy."""
        self._thread.put(Unit(kind, item, None))

    def close(self) -> None:
        """Finish what was posted, then stop. May be called twice."""
        self._thread.close()

    def _write(self, group: _Group) -> None:
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

    def _commit(self, group: _Group) -> None:
        if self._connection is None:
            self._connection = connected(self._conninfo)
        connection = self._connection
        kinds: dict[Kind, _Group] = {}
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
