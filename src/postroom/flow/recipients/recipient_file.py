"""A file of recipients, CSV or XLSX, as lines of text: bounded in octets, lines and columns, and never trusted."""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from postroom.terms.spreadsheet import plain
from postroom.terms.wording import worded

FILE_BYTES = 8 * 1024 * 1024
LINES = 20_000
COLUMNS = 60
CELL_CHARACTERS = 2_000
# What a workbook may unpack to; its cells are read one row at a time.
_UNPACKED_BYTES = 128 * 1024 * 1024
_SEPARATORS = (",", ";", "\t")
_WORKBOOK = b"PK\x03\x04"


class FileRefused(ValueError):
    """A file that can't be read at all; `text` tells the remedy."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the file that is not empty; `number` counts from 1 as a spreadsheet does."""

    number: int
    cells: tuple[str, ...]


def rows_of(octets: bytes) -> list[Row]:
    """All lines, at least one, whichever kind of file it is by its first octets. Raises FileRefused."""
    if len(octets) > FILE_BYTES:
        raise FileRefused(worded("The file is larger than {most} bytes. Divide it.", most=FILE_BYTES))
    rows = list(_bounded(_sheet(octets) if octets.startswith(_WORKBOOK) else _csv(octets)))
    if not rows:
        raise FileRefused(worded("The file is empty."))
    return rows


def _bounded(rows: Iterator[Sequence[str]]) -> Iterator[Row]:
    for number, cells in enumerate(rows, 1):
        if number > LINES + 1:
            raise FileRefused(worded("The file has more than {most} lines. Divide it.", most=LINES))
        if len(cells) > COLUMNS:
            raise FileRefused(worded("The file has more than {most} columns.", most=COLUMNS))
        if any(cell.strip() for cell in cells):
            yield Row(number, tuple(plain(cell.strip())[:CELL_CHARACTERS] for cell in cells))


def _csv(octets: bytes) -> Iterator[Sequence[str]]:
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused(worded("The file is not in UTF-8. Save it as CSV in UTF-8, or as XLSX.")) from None
    heading = text.lstrip().partition("\n")[0]
    separator = max(_SEPARATORS, key=heading.count)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    except csv.Error as error:
        raise FileRefused(worded("This is no CSV: {fault}.", fault=error)) from None


def _sheet(octets: bytes) -> Iterator[Sequence[str]]:
    """The first sheet of a workbook. openpyxl reads its XML through defusedxml, which follows no entity."""
    from openpyxl import load_workbook

    _refuse_bomb(octets)
    try:
        book = load_workbook(io.BytesIO(octets), read_only=True, data_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()
            for row in sheet.iter_rows(max_col=COLUMNS + 1, values_only=True):
                yield _trimmed([_text(value) for value in row])
        finally:
            book.close()
    except FileRefused:
        raise
    except Exception as error:  # a damaged workbook fails in the library in any way
        raise FileRefused(worded("The workbook can't be read: {fault}.", fault=type(error).__name__)) from error


def _refuse_bomb(octets: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError):
        raise FileRefused(worded("The workbook is damaged. Save it again as XLSX.")) from None
    if unpacked > _UNPACKED_BYTES:
        raise FileRefused(worded("The workbook unpacks to more than {most} bytes. Divide it.", most=_UNPACKED_BYTES))


def _text(value: Any) -> str:
    if value is None:
        return ""
    # A spreadsheet keeps whole numbers as floats.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _trimmed(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells.pop()
    return cells
