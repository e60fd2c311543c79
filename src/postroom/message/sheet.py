"""An XLSX workbook of one sheet, written as its rows come and the same octets for the same rows.

Text is written as text: what begins with = + - @ is no formula (W5). The parts are those that ECMA-376 asks for and no
others; no time of writing is in them, so that an unchanged report is recognised by its digest.
"""

import re
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any
from xml.sax.saxutils import escape

from postroom.terms.report import CELL_CHARACTERS

_WRITTEN_AT = (1980, 1, 1, 0, 0, 0)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="Report" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><fonts count="2"><font/><font><b/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4">'
    '<xf/><xf fontId="1" applyFont="1"/><xf numFmtId="14" applyNumberFormat="1"/>'
    '<xf numFmtId="22" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
}
_SHEET_START = (
    f'<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" '
    'state="frozen"/></sheetView></sheetViews><sheetData>'
)
_HEADING, _DATE, _DATE_TIME = 1, 2, 3
# Day 0 as Excel counts; before March 1900 it counts a day that never was, so earlier days are text.
_FIRST_DAY, _DAY_0 = date(1900, 3, 1), date(1899, 12, 30)
# XML 1.0 has no place for these.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_DIGITS = 15


class SheetWriter:
    """Writes a workbook into `file`, which need not be seekable; `finish` comes last."""

    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        self._archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        for name, text in _PARTS.items():
            self._archive.writestr(_entry(name), _HEAD + text)
        self._sheet = self._archive.open(_entry("xl/worksheets/sheet1.xml"), "w", force_zip64=True)
        self._sheet.write((_HEAD + _SHEET_START).encode())
        self._write([_text(name, _HEADING) for name in columns])

    def row(self, values: Sequence[Any]) -> None:
        """Add a row of numbers, dates, times, texts and None."""
        self._write([_cell(value) for value in values])

    def finish(self) -> None:
        self._sheet.write(b"</sheetData></worksheet>")
        self._sheet.close()
        self._archive.close()

    def _write(self, cells: Sequence[str]) -> None:
        self._sheet.write(f"<row>{''.join(cells)}</row>".encode())


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _WRITTEN_AT)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _cell(value: Any) -> str:
    match value:
        case None:
            return "<c/>"
        case bool():
            return f'<c t="b"><v>{int(value)}</v></c>'
        case int() | float() | Decimal() if _is_exact(value):
            return f"<c><v>{value}</v></c>"
        case datetime() if value.tzinfo is None and value.date() >= _FIRST_DAY:
            seconds = (datetime.combine(value.date(), time()) - value).total_seconds()
            return f'<c s="{_DATE_TIME}"><v>{(value.date() - _DAY_0).days - seconds / 86_400:.10f}</v></c>'
        case date() if not isinstance(value, datetime) and value >= _FIRST_DAY:
            return f'<c s="{_DATE}"><v>{(value - _DAY_0).days}</v></c>'
    return _text(str(value))


def _is_exact(value: float | Decimal) -> bool:
    """Whether a spreadsheet keeps all of its digits; a number of an account does not become 1.23E+18."""
    if isinstance(value, float):
        return value - value == 0
    number = Decimal(value)
    return number.is_finite() and len(number.as_tuple().digits) <= _DIGITS and abs(number.adjusted()) < _DIGITS * 2


def _text(text: str, style: int = 0) -> str:
    clean = escape(_NOT_XML.sub("\ufffd", text[:CELL_CHARACTERS]))
    look = f' s="{style}"' if style else ""
    return f'<c t="inlineStr"{look}><is><t xml:space="preserve">{clean}</t></is></c>'
