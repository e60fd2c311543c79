"""The rows of a workbook's first sheet. Of no part more is held in memory than its bound says, whatever it is called.

It loads the library for workbooks, which most processes never need: import it where a workbook is read.
"""

import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, Any, Self

from openpyxl.cell.text import Text
from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.worksheet._read_only import ReadOnlyWorksheet
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS
from openpyxl.xml.functions import iterparse

# A part that is read as a whole, as that of the styles, takes some thirty times its size.
WHOLE_BYTES = 4 * 1024 * 1024
# The texts are held while the sheet is read.
TEXTS_BYTES = 64 * 1024 * 1024
# One row or one text, with what stands before it.
ITEM_BYTES = 8 * 1024 * 1024
# As many as a sheet can have.
SHEET_ROWS = 1_048_576
_TEXT = f"{{{SHEET_MAIN_NS}}}si"


class TooLarge(ValueError):
    """A part, a row or a text is beyond its bound."""


class FirstSheet:
    """Of the workbook in `file`, which stays open meanwhile; with formulas, or with their stored results. Raises
    TooLarge, and whatever the library does for parts that are torn, missing or no XML."""

    def __init__(self, file: IO[bytes], *, is_of_formulas: bool = False) -> None:
        reader = ExcelReader(file, read_only=True, data_only=not is_of_formulas, keep_links=False)
        reader.archive = _Archive(file)
        reader.read_manifest()
        package: Any = reader.package
        texts = package.find(SHARED_STRINGS)
        reader.shared_strings = [] if texts is None else _texts(reader.archive, texts.PartName[1:])
        reader.read_workbook()
        apply_stylesheet(reader.archive, reader.wb)
        self._sheet: Any = _sheet_of(reader)

    def rows(self, *, values_only: bool) -> Iterator[Sequence[Any]]:
        """Values, or cells with value and number format; also of rows that are empty or not there."""
        for number, row in enumerate(self._sheet.iter_rows(values_only=values_only)):
            if number > SHEET_ROWS:
                raise TooLarge("more rows than a sheet can have")
            self._sheet.source.renew()
            yield row


class _Archive(zipfile.ZipFile):
    def read(self, name: Any, pwd: bytes | None = None) -> bytes:
        if self.getinfo(name).file_size > WHOLE_BYTES:
            raise TooLarge(name)
        return super().read(name, pwd)


class _Source:
    """A part as a stream that ends with TooLarge where one of its items is beyond its bound."""

    def __init__(self, part: IO[bytes]) -> None:
        self._part, self._left = part, ITEM_BYTES

    def read(self, size: int = -1) -> bytes:
        octets = self._part.read(size)
        self._left -= len(octets)
        if self._left < 0:
            raise TooLarge("one row or text")
        return octets

    def renew(self) -> None:
        """The next item begins."""
        self._left = ITEM_BYTES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._part.close()


class _Sheet(ReadOnlyWorksheet):
    source: _Source
    parent: Any
    _worksheet_path: str

    def _get_size(self) -> None:
        """What it says of its size may be wrong, and a sheet that says nothing would be read for it."""

    def _get_source(self) -> _Source:
        self.source = _Source(self.parent._archive.open(self._worksheet_path))
        return self.source


def _sheet_of(reader: ExcelReader) -> _Sheet:
    for sheet, part in reader.parser.find_sheets():
        if part.target in reader.valid_files and "chartsheet" not in part.Type:
            return _Sheet(reader.wb, sheet.name, part.target, reader.shared_strings)
    raise LookupError("no sheet")


def _texts(archive: zipfile.ZipFile, name: str) -> list[str]:
    if archive.getinfo(name).file_size > TEXTS_BYTES:
        raise TooLarge(name)
    found: list[str] = []
    with _Source(archive.open(name)) as source:
        events = iterparse(source, ("start", "end"))
        _, root = next(events)
        for event, node in events:
            if event == "end" and node.tag == _TEXT:
                text: Any = Text.from_tree(node)
                found.append(text.content.replace("x005F_", ""))
                root.clear()
                source.renew()
    return found
