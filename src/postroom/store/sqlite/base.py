"""Database backend: each transaction, and each writing statement outside of one, holds the database's write lock.

Transactions begin IMMEDIATE, so whoever opens one means to write. Readers never take the lock.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

from postroom.store.write_lock import WriteLock

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "ALTER", "DROP")


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite with one writer at a time across processes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lock: WriteLock | None = None
        self._locked = False

    def get_new_connection(self, conn_params: Any) -> Any:
        name = str(self.settings_dict["NAME"])
        self._lock = None if ":memory:" in name or "mode=memory" in name else WriteLock(Path(name))
        connection = super().get_new_connection(conn_params)
        if self._locked_when_writing not in self.execute_wrappers:
            self.execute_wrappers.append(self._locked_when_writing)
        return connection

    def _start_transaction_under_autocommit(self) -> None:
        self._take()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._give_back()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]
        finally:
            self._give_back()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._give_back()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._give_back()

    def _take(self) -> None:
        if self._lock is not None and not self._locked:
            try:
                self._lock.acquire()
            except OSError as error:  # it took too long, or there is no descriptor left for the lock (B15)
                raise OperationalError(str(error)) from error
            self._locked = True

    def _give_back(self) -> None:
        if self._lock is not None and self._locked:
            self._locked = False
            self._lock.release()

    def _locked_when_writing(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if self._locked or not sql.lstrip().upper().startswith(_WRITES):
            return execute(sql, params, many, context)
        self._take()
        try:
            return execute(sql, params, many, context)
        finally:
            self._give_back()
