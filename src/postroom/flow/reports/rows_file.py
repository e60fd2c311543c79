"""Rows on their way into a report's file: CSV, XLSX or an HTML page, written as they come."""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import IO, Any, Protocol, cast

from postroom.message.html_table import page_end, page_start, table_end, table_row, table_start
from postroom.message.sheet import SheetWriter
from postroom.terms.spreadsheet import neutral

Write = Callable[[bytes], None]
# Some spreadsheets divide lines at each of these, whatever the first line has.
_QUOTED = re.compile(r'[,;\t|"\r\n]')

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html; charset=utf-8",
}


class RowsFile(Protocol):
    """A file that takes rows; `finish` comes last."""

    def row(self, values: Sequence[Any]) -> None: ...

    def finish(self) -> None: ...


def rows_file(form: str, title: str, columns: Sequence[str], write: Write, delimiter: str = ",") -> RowsFile:
    """A file of one of the forms in MEDIA_TYPES that goes to `write` piece by piece; `delimiter` is that of CSV."""
    match form:
        case "csv":
            return CsvFile(columns, write, delimiter)
        case "xlsx":
            return SheetWriter(cast(IO[bytes], Stream(write)), columns)
    return HtmlFile(title, columns, write)


class CsvFile:
    """CSV in UTF-8 with a mark that spreadsheets know it by; no text in it is a formula (W5)."""

    def __init__(self, columns: Sequence[str], write: Write, delimiter: str = ",") -> None:
        self._write, self._delimiter = write, delimiter
        write(b"\xef\xbb\xbf")
        self.row(list(columns))

    def row(self, values: Sequence[Any]) -> None:
        line = self._delimiter.join(_quoted(_csv_cell(value, self._delimiter)) for value in values) or '""'
        self._write(f"{line}\r\n".encode("utf-8", "replace"))

    def finish(self) -> None:
        """Nothing follows the last line."""


class HtmlFile:
    """A page with one table."""

    def __init__(self, title: str, columns: Sequence[str], write: Write) -> None:
        self._write = write
        self._say(page_start(title) + table_start(columns))

    def row(self, values: Sequence[Any]) -> None:
        self._say(table_row([cell_text(value) for value in values]))

    def finish(self) -> None:
        self._say(table_end() + page_end())

    def _say(self, text: str) -> None:
        self._write(text.encode("utf-8", "replace"))


def cell_text(value: Any) -> str:
    """A database's value as people read it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(" ", "seconds")
        case date() | time():
            return value.isoformat()
        case bytes() | memoryview():
            return bytes(value).hex()
    return str(value)


def _csv_cell(value: Any, delimiter: str) -> str:
    text = cell_text(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return text if is_number else neutral(text, delimiter)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


class Stream:
    """What zipfile takes for a file that can only be written."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def write(self, octets: bytes) -> int:
        self._write(bytes(octets))
        return len(octets)

    def flush(self) -> None:
        """Nothing is held back here."""
