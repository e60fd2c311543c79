"""The rows of a stored report that has some: CSV and XLSX, read piece by piece and bounded.

What a file says of itself is data: a workbook that unpacks into more than a report may be is not opened.
"""

import csv
import io
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from postroom.policy.column_value import Percent
from postroom.smtp.content import Content
from postroom.smtp.text import printable
from postroom.terms.report import SAMPLE_CHARACTERS, SAMPLE_COLUMNS, SAMPLE_ROWS
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

from .rows_file import cell_text

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CSV = ("text/csv", "application/csv")
# What a workbook may be unpacked, and how many parts it may have.
UNPACKED_BYTES = 1024 * 1024 * 1024
_PARTS = 2_000
_LINE_CHARACTERS = 1024 * 1024
_BUFFER_BYTES = 256 * 1024
_DELIMITERS = ",;\t|"
# Of a number format, what is shown as it stands: 95 under 0"%" looks like 95%, and is no 0.95.
_LITERAL = re.compile(r'"[^"]*"|\\.|[_*].')
# What the readers of workbooks raise for parts that are torn, missing or no XML.
_DAMAGE = (zipfile.BadZipFile, zlib.error, LookupError, ValueError, TypeError, AttributeError, SyntaxError, OSError)


class NoRows(Exception):
    """The report has no rows that can be read."""


@dataclass(frozen=True, slots=True)
class Table:
    """The names on the first line, and the rows after it. `delimiter` is that of a CSV file."""

    columns: list[str]
    rows: Iterator[Sequence[Any]]
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows, and the first of them as text."""

    row_count: int
    sample: dict[str, Any]


def kind_of(media_type: str, file_name: str) -> str:
    """csv, xlsx, or "" for what has no rows here. The name decides where the type says nothing."""
    kind = media_type.partition(";")[0].strip().lower()
    name = file_name.lower()
    if kind in _CSV or (kind in ("", "text/plain", "application/octet-stream") and name.endswith(".csv")):
        return "csv"
    if kind == XLSX or (kind in ("", "application/octet-stream", "application/zip") and name.endswith(".xlsx")):
        return "xlsx"
    return ""


@contextmanager
def table_of(content: Content, media_type: str, file_name: str, *, marks_percent: bool = False) -> Iterator[Table]:
    """The rows of a report's octets. With `marks_percent`, numbers that a workbook shows as percentages are Percent.
    Raises NoRows, also while rows are read, SourceFault where the disk refuses, and DamagedBlob (blocking)."""
    match kind_of(media_type, file_name):
        case "csv":
            yield _csv_table(content)
        case "xlsx":
            with _unpacked(content, _marked if marks_percent else None) as table:
                yield table
        case _:
            raise NoRows


def counted(content: Content, media_type: str, file_name: str) -> Counted:
    """Count the rows of a report. Raises NoRows and DamagedBlob (blocking)."""
    with table_of(content, media_type, file_name) as table:
        first: list[list[str]] = []
        row_count = 0
        for row in table.rows:
            row_count += 1
            if len(first) < SAMPLE_ROWS:
                first.append(sample_row(row))
        return Counted(row_count, {"columns": sample_row(table.columns), "rows": first})


def column_place(columns: Sequence[str], column: str) -> int:
    """Where a column stands, whatever the case of its letters. Raises SourceFault where there is none of that name."""
    names = [" ".join(name.split()).casefold() for name in columns]
    try:
        return names.index(" ".join(column.split()).casefold())
    except ValueError:
        text = worded(
            "The report has no column {column}. It has: {columns}.", column=printable(column, 100),
            columns=printable(", ".join(columns[:20]), 300),
        )
        raise SourceFault(SourceFaultKind.PARAMETERS, text) from None


def refuse_unread_formulas(content: Content, media_type: str, file_name: str, at: int, column: str) -> None:
    """Asked where a column has no value at all. Raises SourceFault where it is one of formulas and none came to empty
    text: programs that write workbooks may leave out what their formulas come to (blocking)."""
    if kind_of(media_type, file_name) != "xlsx":
        return
    with _unpacked(content, _result) as table:
        if any(at < len(row) and row[at] is not None for row in table.rows):
            return
    with _unpacked(content, is_of_formulas=True) as table:
        if any(at < len(row) and row[at] is not None for row in table.rows):
            text = worded("The column {column} has formulas without results. Have the report write values, or open and "
                          "save it in a spreadsheet program.", column=printable(column, 100))
            raise SourceFault(SourceFaultKind.UNREADABLE, text)


def sample_row(values: Sequence[Any]) -> list[str]:
    """A row as a preview shows it."""
    return [printable(cell_text(value), SAMPLE_CHARACTERS) for value in values[:SAMPLE_COLUMNS]]


def _csv_table(content: Content) -> Table:
    """Divided at what the first line has most of."""
    text = io.TextIOWrapper(io.BufferedReader(_Octets(content), _BUFFER_BYTES), encoding="utf-8-sig", newline="")
    start = _line(text)
    delimiter = max(_DELIMITERS, key=start.count)
    rows = _csv_rows(start, text, delimiter)
    columns = next(rows, None)
    return Table(list(columns or []), rows, delimiter)


def _csv_rows(start: str, text: io.TextIOWrapper, delimiter: str) -> Iterator[list[str]]:
    """Lines with something on them."""
    try:
        csv.field_size_limit(_LINE_CHARACTERS)
        yield from (row for row in csv.reader(_from(start, text), delimiter=delimiter) if any(row))
    except csv.Error as error:
        raise NoRows from error


def _from(start: str, text: io.TextIOWrapper) -> Iterator[str]:
    yield start
    while line := _line(text):
        yield line


def _line(text: io.TextIOWrapper) -> str:
    """The next line. Raises NoRows for one that no table has."""
    try:
        line = text.readline(_LINE_CHARACTERS)
    except UnicodeError as error:
        raise NoRows from error
    if len(line) == _LINE_CHARACTERS:
        raise NoRows
    return line


class _Octets(io.RawIOBase):
    """A content as a stream."""

    def __init__(self, content: Content) -> None:
        self._chunks = content.chunks()
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._chunks, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer):]
        buffer[: len(taken)] = taken
        return len(taken)


@contextmanager
def _unpacked(
    content: Content, shown: Callable[[Any], Any] | None = None, is_of_formulas: bool = False
) -> Iterator[Table]:
    """The first sheet of a workbook: its values, or what `shown` makes of its cells."""
    from openpyxl.utils.exceptions import InvalidFileException

    from .workbook_rows import FirstSheet

    with _copied(content) as file:
        try:
            _refuse_bomb(file)
            sheet = FirstSheet(file, is_of_formulas=is_of_formulas)
        except (InvalidFileException, *_DAMAGE) as error:
            raise NoRows from error
        rows = _sheet_rows(sheet.rows(values_only=shown is None), shown)
        columns = next(rows, None)
        yield Table([cell_text(value) for value in columns or ()], rows)


@contextmanager
def _copied(content: Content) -> Iterator[IO[bytes]]:
    """The octets as a file that is read in any order. Raises SourceFault where the disk refuses."""
    try:
        with tempfile.TemporaryFile() as file:
            for chunk in content.chunks():
                file.write(chunk)
            file.flush()
            yield file
    except OSError as error:
        text = worded("The report can't be stored on this machine.")
        raise SourceFault(SourceFaultKind.STORAGE, text, error.strerror or "") from error


def _sheet_rows(rows: Iterator[Sequence[Any]], shown: Callable[[Any], Any] | None) -> Iterator[Sequence[Any]]:
    """Those with something in them."""
    try:
        if shown is not None:
            rows = ([shown(cell) for cell in row] for row in rows)
        yield from (row for row in rows if any(value is not None for value in row))
    except _DAMAGE as error:
        raise NoRows from error


def _marked(cell: Any) -> Any:
    value = cell.value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Percent(value) if is_number and "%" in _LITERAL.sub("", cell.number_format or "") else value


def _result(cell: Any) -> Any:
    """The value, "" where a formula came to empty text: its cell still says that it holds text."""
    return "" if cell.value is None and cell.data_type == "str" else cell.value


def _refuse_bomb(file: Any) -> None:
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        if len(parts) > _PARTS or sum(part.file_size for part in parts) > UNPACKED_BYTES:
            raise NoRows
