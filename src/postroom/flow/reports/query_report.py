"""A report out of a database: one query, its rows written to a file as they come, all of them or no report (S7)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from postroom.net.postgresql_rows import PostgresqlPlace, postgresql_rows
from postroom.policy.sql_query import QueryProblem, SqlQuery
from postroom.smtp.text import printable
from postroom.store.blobs import Spool
from postroom.store.models import ReportSource, SqlConnection, StoredReport
from postroom.store.vault import VaultError
from postroom.terms.report import REPORT_BYTES, SAMPLE_ROWS, SHEET_COLUMNS, SHEET_ROWS
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

from .read_sqlite import sqlite_file, sqlite_rows
from .report_rows import Counted, sample_row
from .rows_file import MEDIA_TYPES, rows_file
from .source_settings import PostgresqlSettings, SqliteSettings, SqlSettings, password_of
from .stored_report import report_spool, store_report

_Rows = tuple[list[str], Iterator[Sequence[Any]]]
_LOOK_S = 15.0


def queried(source: ReportSource, values: Mapping[str, Any], now: datetime) -> StoredReport:
    """The report of the query's rows. Raises SourceFault (blocking)."""
    given = SqlSettings.from_json(source.settings)
    if source.connection is None:
        raise SourceFault(SourceFaultKind.SETTINGS, worded("The source has no connection to a database."))
    query = _query(given.query, values)
    with report_spool() as spool, _rows_of(source.connection, query, values, given.timeout_s) as (columns, rows):
        counted = _written(source.name, given, columns, rows, spool)
        blob = spool.finish()
    return store_report(
        source, blob, file_name=f"{source.name}.{given.format}", media_type=MEDIA_TYPES[given.format],
        origin=source.connection.name, now=now, rows=counted,
    )


def look_at_connection(connection: SqlConnection) -> None:
    """Sign in to a database and read one row that needs no table. Raises SourceFault (blocking)."""
    with _rows_of(connection, SqlQuery.parse("SELECT 1"), {}, _LOOK_S) as (_columns, rows):
        list(rows)


def _query(text: str, values: Mapping[str, Any]) -> SqlQuery:
    try:
        query = SqlQuery.parse(text)
    except QueryProblem as error:
        text = worded("The query is not one statement that reads.")
        raise SourceFault(SourceFaultKind.SETTINGS, text) from error
    missing = [name for name in query.names if name not in values]
    if missing:
        text = worded("The query asks for {names}, which the subscription does not give.", names=", ".join(missing))
        raise SourceFault(SourceFaultKind.PARAMETERS, text)
    return query


@contextmanager
def _rows_of(
    connection: SqlConnection, query: SqlQuery, values: Mapping[str, Any], timeout_s: float
) -> Iterator[_Rows]:
    if connection.kind == SqlConnection.Kind.SQLITE:
        file = SqliteSettings.from_json(connection.settings)
        path = sqlite_file(file.folder(), file.path)
        with sqlite_rows(path, query, values, timeout_s) as rows:
            yield rows
        return
    place = PostgresqlSettings.from_json(connection.settings)
    try:
        password = password_of(connection)
    except VaultError as error:
        raise SourceFault(SourceFaultKind.SETTINGS, worded("The secret can't be read."), str(error)) from error
    where = PostgresqlPlace(place.host, place.port, place.database, place.username, place.tls)
    with postgresql_rows(where, password, query, values, timeout_s) as rows:
        yield rows


def _written(
    title: str, given: SqlSettings, columns: list[str], rows: Iterator[Sequence[Any]], spool: Spool
) -> Counted:
    """Write all rows; how many there were, and the first of them."""
    most = min(given.most_rows, SHEET_ROWS - 1) if given.format == "xlsx" else given.most_rows
    if not columns or len(columns) > SHEET_COLUMNS:
        raise SourceFault(SourceFaultKind.QUERY, worded("The query has no columns that a report could have."))
    file = rows_file(given.format, title, columns, spool.write)
    count = 0
    first: list[list[str]] = []
    for row in rows:
        count += 1
        if count > most:
            text = worded("The query has more than {most} rows. Nothing was sent.", most=most)
            raise SourceFault(SourceFaultKind.TOO_MANY_ROWS, text)
        if count <= SAMPLE_ROWS:
            first.append(sample_row(row))
        file.row(row)
        if spool.size_bytes > REPORT_BYTES:
            text = worded("The report is larger than {most} bytes.", most=REPORT_BYTES)
            raise SourceFault(SourceFaultKind.TOO_LARGE, text)
    file.finish()
    return Counted(count, {"columns": [printable(name, 100) for name in columns[:50]], "rows": first})
