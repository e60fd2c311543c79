"""A condition on a column's value, asked of a stored report: all of its rows are looked at, or there is a fault.

A column that is not there, or that can't be compared, is a fault that names it: to skip would pass for good news.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from postroom.policy.column_value import ColumnJudge, ColumnValue, ValueFault
from postroom.smtp.text import printable
from postroom.store.blobs import DamagedBlob
from postroom.store.models import ReportSource, StoredReport
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

from .html_rows import html_table_of
from .report_rows import NoRows, Table, column_place, kind_of, refuse_unread_formulas, table_of
from .stored_report import report_content


def rows_judged(report: StoredReport, condition: ColumnValue, now: datetime) -> ColumnJudge:
    """How many rows have it, and how many cells could not be compared. `now`, from which its days count,
    is in the subscription's zone. Raises SourceFault (blocking)."""
    try:
        judge, has_values = ColumnJudge(condition, now), False
        with _table(report) as table:
            at = column_place(table.columns, condition.column)
            for row in table.rows:
                cell = row[at] if at < len(row) else None
                has_values = has_values or cell is not None
                judge.look(cell)
        if not has_values:
            refuse_unread_formulas(report_content(report), report.media_type, report.file_name, at, condition.column)
        judge.refuse_unreadable()
    except ValueFault as fault:
        text = worded("The condition on the column {column} can't be checked: {why}",
                      column=printable(condition.column, 100), why=fault.text)
        raise SourceFault(SourceFaultKind.PARAMETERS, text) from fault
    except NoRows as error:
        text = worded("The report has no rows that can be read, so that the condition on the column {column} can't be "
                      "checked. Use CSV or XLSX.", column=printable(condition.column, 100))
        raise SourceFault(SourceFaultKind.UNREADABLE, text) from error
    except DamagedBlob as error:
        raise SourceFault(SourceFaultKind.STORAGE, worded("The stored report is damaged."), str(error)) from error
    return judge


@contextmanager
def _table(report: StoredReport) -> Iterator[Table]:
    content = report_content(report)
    is_ours = report.source is not None and report.source.kind == ReportSource.Kind.SQL
    if is_ours and not kind_of(report.media_type, report.file_name):
        yield html_table_of(content)
        return
    with table_of(content, report.media_type, report.file_name, marks_percent=True) as table:
        yield table
