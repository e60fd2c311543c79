"""A report in pieces: for each value of one column a file with the rows of that value, of the same kind as the whole.

Who asks gets pieces for all values or none. Rows are sorted on the disk, so that their number does not matter.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import date, datetime, time
from itertools import groupby
from typing import Any

from postroom.smtp.text import printable
from postroom.store.blobs import DamagedBlob
from postroom.store.models import StoredReport
from postroom.terms.report import SAMPLE_ROWS
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.spreadsheet import plain
from postroom.terms.wording import worded

from .report_rows import Counted, NoRows, Table, column_place, kind_of, refuse_unread_formulas, sample_row, table_of
from .rows_file import rows_file
from .stored_report import report_content, report_spool, store_report

# More pieces than people read reports of one run.
PIECES = 5_000
_ROWS_AT_ONCE = 500
_KEPT = (str, int, float, bool, type(None))
_TIMES: Mapping[str, Callable[[str], date | time]] = {
    "datetime": datetime.fromisoformat, "date": date.fromisoformat, "time": time.fromisoformat,
}


def split(report: StoredReport, column: str, now: datetime) -> dict[str, StoredReport]:
    """Pieces by the column's value, without blanks around it; rows without a value are in the piece "". Raises
    SourceFault (blocking)."""
    kind = kind_of(report.media_type, report.file_name)
    with closing(sqlite3.connect("")) as sorted_rows:
        try:
            table = _sort(sorted_rows, report, column)
        except NoRows as error:
            text = worded("The report has no rows that can be read, so that it can't be divided. Use CSV or XLSX.")
            raise SourceFault(SourceFaultKind.UNREADABLE, text) from error
        except DamagedBlob as error:
            raise SourceFault(SourceFaultKind.STORAGE, worded("The stored report is damaged."), str(error)) from error
        (pieces,) = sorted_rows.execute("SELECT count(DISTINCT value) FROM line").fetchone()
        if pieces > PIECES:
            text = worded("The column {column} has {count} values, and a report is divided into at most {most}.",
                          column=printable(column, 100), count=pieces, most=PIECES)
            raise SourceFault(SourceFaultKind.TOO_MANY_ROWS, text)
        lines = sorted_rows.execute("SELECT value, cells FROM line ORDER BY value, number")
        return {
            value: _piece(report, kind, table, value, (json.loads(cells) for _, cells in group), now)
            for value, group in groupby(lines, key=lambda line: str(line[0]))
        }


def _sort(into: sqlite3.Connection, report: StoredReport, column: str) -> Table:
    """Put every row beside its value into a table; that of the report, whose rows are read."""
    into.execute("CREATE TABLE line (number INTEGER PRIMARY KEY, value TEXT, cells TEXT)")
    has_values = False
    with table_of(report_content(report), report.media_type, report.file_name) as table:
        at = column_place(table.columns, column)
        insert = "INSERT INTO line (value, cells) VALUES (?, ?)"
        batch: list[tuple[str, str]] = []
        for row in table.rows:
            value = row[at] if at < len(row) else None
            has_values = has_values or value is not None
            batch.append((plain(_text(value), table.delimiter).strip(), json.dumps([_kept(cell) for cell in row])))
            if len(batch) == _ROWS_AT_ONCE:
                into.executemany(insert, batch)
                batch = []
        into.executemany(insert, batch)
    if not has_values:
        refuse_unread_formulas(report_content(report), report.media_type, report.file_name, at, column)
    return table


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _kept(cell: Any) -> Any:
    if isinstance(cell, datetime | date | time):
        return {type(cell).__name__: cell.isoformat()}
    return cell if isinstance(cell, _KEPT) else str(cell)


def _piece(
    report: StoredReport, kind: str, table: Table, value: str, rows: Iterator[list[Any]], now: datetime
) -> StoredReport:
    count = 0
    first: list[list[str]] = []
    with report_spool() as spool:
        file = rows_file(kind, report.file_name, table.columns, spool.write, table.delimiter)
        for cells in rows:
            row = [_cell(cell, kind, table.delimiter) for cell in cells]
            file.row(row)
            count += 1
            if len(first) < SAMPLE_ROWS:
                first.append(sample_row(row))
        file.finish()
        blob = spool.finish()
    stem, dot, ending = report.file_name.rpartition(".")
    name = f"{stem} {value}.{ending}".replace("/", "-") if dot and value else report.file_name
    return store_report(
        None, blob, file_name=name, media_type=report.media_type, origin=report.origin, now=now,
        rows=Counted(count, {"columns": sample_row(table.columns), "rows": first}),
    )


def _cell(cell: Any, kind: str, delimiter: str) -> Any:
    """What `_kept` made, back as it was; text of a CSV file loses its guard against formulas, which it gets again."""
    if isinstance(cell, dict):
        ((name, text),) = cell.items()
        return _TIMES[name](text)
    return plain(cell, delimiter) if kind == "csv" and isinstance(cell, str) else cell
