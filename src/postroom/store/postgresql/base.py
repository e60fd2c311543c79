"""Database backend: transactions of the ORM follow one another, as on SQLite, and each that wrote is told to listeners.

Pages and flows were written for a database with one writer: what a transaction reads, nobody changes before it ends.
Here each transaction takes one advisory lock first, so that this holds among them, on all machines. The queue's
own statements don't take it; they meet the ORM at rows, which single statements change that look at their state.
"""

import functools
from collections.abc import Callable
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.operations import DatabaseOperations as BaseOperations
from django.db.backends.postgresql.psycopg_any import Jsonb

from postroom.store.database import CHANNEL, WRITERS_LOCK

from .texts import json_text, without_nul

_WRITES = ("INSERT", "UPDATE", "DELETE", "WITH", "TRUNCATE")


class DatabaseOperations(BaseOperations):
    """Django's, with JSON that may have held a NUL."""

    def adapt_json_value(self, value: Any, encoder: Any) -> Any:
        return Jsonb(value, dumps=functools.partial(json_text, cls=encoder))


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL with one writing transaction of the ORM at a time."""

    ops_class = DatabaseOperations

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._wrote = False

    def get_new_connection(self, conn_params: Any) -> Any:
        connection = super().get_new_connection(conn_params)
        self._wrote = False
        if self._noticed_writing not in self.execute_wrappers:
            self.execute_wrappers.append(self._noticed_writing)
        return connection

    def set_autocommit(self, autocommit: bool, force_begin_transaction_with_broken_autocommit: bool = False) -> None:
        super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)
        if autocommit or not force_begin_transaction_with_broken_autocommit:
            return
        try:
            with self.wrap_database_errors:
                self.connection.execute("SELECT pg_advisory_xact_lock(%s)", (WRITERS_LOCK,))
        except BaseException:
            self.rollback()
            super().set_autocommit(True)
            raise

    def _commit(self) -> None:
        if self._wrote and self.connection is not None:
            with self.wrap_database_errors:
                self._notify()
        super()._commit()  # type: ignore[misc]

    def _rollback(self) -> None:
        self._wrote = False
        super()._rollback()  # type: ignore[misc]

    def _notify(self) -> None:
        self._wrote = False
        self.connection.execute(f"NOTIFY {CHANNEL}")

    def _noticed_writing(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if params and not many:
            params = without_nul(params) if isinstance(params, dict) else [without_nul(value) for value in params]
        if not sql.lstrip().upper().startswith(_WRITES):
            return execute(sql, params, many, context)
        result = execute(sql, params, many, context)
        self._wrote = True
        if self.get_autocommit():
            self._notify()
        return result
