"""Rows of a PostgreSQL database for a report: one query in a read-only transaction, bounded in time (E1, E2).

The address that was checked is the one that is dialed. The query's values are bound by the server. A server that
stops answering is cut off. Blocking: for a thread.
"""

import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.raw_cursor import RawServerCursor

from postroom.policy.egress import may_dial
from postroom.policy.sql_query import SqlQuery
from postroom.smtp.redaction import Redaction
from postroom.smtp.text import printable
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

from .lookup import addresses_within

CONNECT_S = 10.0
# What a server may need on top to end a statement whose time is over.
GRACE_S = 5.0
ROWS_AT_ONCE = 500
SSL_MODES = {"off": "disable", "encrypted": "require", "verified": "verify-full"}


@dataclass(frozen=True, slots=True)
class PostgresqlPlace:
    """A database and who asks; `tls` is off, encrypted or verified."""

    host: str
    port: int
    database: str
    username: str
    tls: str


@contextmanager
def postgresql_rows(
    place: PostgresqlPlace, password: str, query: SqlQuery, values: Mapping[str, Any], timeout_s: float
) -> Iterator[tuple[list[str], Iterator[Sequence[Any]]]]:
    """The columns and the rows, some at a time. Raises SourceFault, also while rows are read."""
    redaction = Redaction(place.username, password)
    with _faults(timeout_s, redaction):
        connection = _connected(place, password, timeout_s)
    cut = _Cut(connection, timeout_s + GRACE_S)
    try:
        with _faults(timeout_s, redaction, cut):
            connection.read_only = True
            with RawServerCursor(connection, "report") as cursor:
                cursor.itersize = ROWS_AT_ONCE
                cursor.execute(query.numbered("$"), [values[name] for name in query.names])
                yield [column.name for column in cursor.description or ()], iter(cursor)
    finally:
        cut.cancel()
        connection.close()


class _Cut:
    """Ends a connection after a time, whatever the server does."""

    def __init__(self, connection: psycopg.Connection[Any], after_s: float) -> None:
        self.is_over = False
        self._connection = connection
        self._timer = threading.Timer(after_s, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()
        self._timer.join()  # from here on the descriptor may be another's

    def _cut(self) -> None:
        self.is_over = True
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self._connection.fileno())) as sock:
            sock.shutdown(socket.SHUT_RDWR)


def _connected(place: PostgresqlPlace, password: str, timeout_s: float) -> psycopg.Connection[Any]:
    limit_ms = int(timeout_s * 1000)
    options = " ".join(f"-c {name}={value}" for name, value in {
        "default_transaction_read_only": "on", "statement_timeout": limit_ms, "lock_timeout": limit_ms,
        "idle_in_transaction_session_timeout": limit_ms, "TimeZone": "UTC",
    }.items())
    return psycopg.connect(
        host=place.host, hostaddr=_address(place, min(CONNECT_S, timeout_s)), port=place.port,
        dbname=place.database, user=place.username, password=password, sslmode=SSL_MODES[place.tls],
        gssencmode="disable", sslrootcert="system" if place.tls == "verified" else "",
        sslcert="", sslkey="", passfile="/dev/null",
        require_auth="" if place.tls == "verified" else "!password", connect_timeout=int(CONNECT_S),
        application_name="postroom", client_encoding="UTF8", options=options, tcp_user_timeout=limit_ms,
    )


def _address(place: PostgresqlPlace, within_s: float) -> str:
    """The address to dial, looked up once and checked."""
    try:
        found = addresses_within(place.host, place.port, within_s)
    except (OSError, ValueError) as error:
        text = worded("The name {host} can't be resolved.", host=printable(place.host, 200))
        raise SourceFault(SourceFaultKind.UNREACHABLE, text, printable(str(error), 200)) from error
    addresses = [address for address in found if may_dial(address)]
    if not addresses:
        raise SourceFault(SourceFaultKind.NOT_ALLOWED, worded("This address may not be dialed."))
    return addresses[0]


@contextmanager
def _faults(timeout_s: float, redaction: Redaction, cut: _Cut | None = None) -> Iterator[None]:
    """What the driver raises within, as a SourceFault."""
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        raise _too_slow(timeout_s) from error
    except psycopg.OperationalError as error:
        if cut is not None and cut.is_over:
            raise _too_slow(timeout_s) from error
        kind, text = _connection_fault(str(error))
        raise SourceFault(kind, text, _said(error, redaction)) from error
    except psycopg.Error as error:
        text = worded("The database does not take the query.")
        raise SourceFault(SourceFaultKind.QUERY, text, _said(error, redaction)) from error


def _connection_fault(said: str) -> tuple[SourceFaultKind, Any]:
    if "authentication" in said or "no password" in said or "role" in said:
        return SourceFaultKind.SIGN_IN, worded("The database does not let Postroom in.")
    if "certificate" in said or "SSL" in said:
        return SourceFaultKind.CERTIFICATE, worded("No encrypted connection to the database comes about.")
    return SourceFaultKind.UNREACHABLE, worded("The database can't be reached.")


def _too_slow(timeout_s: float) -> SourceFault:
    text = worded("The query did not end within {most} s.", most=f"{timeout_s:g}")
    return SourceFault(SourceFaultKind.TIMEOUT, text)


def _said(error: psycopg.Error, redaction: Redaction) -> str:
    return printable(redaction.text(" ".join(str(error).split())), 300)
