"""The rows of a page that a query of ours was written to (`rows_file`): its one table, read piece by piece."""

import codecs
from collections.abc import Iterator
from html.parser import HTMLParser

from postroom.smtp.content import Content

from .report_rows import NoRows, Table


def html_table_of(content: Content) -> Table:
    """Its columns and rows, all text. Raises NoRows, and DamagedBlob while rows are read (blocking)."""
    rows = _rows(content)
    columns = next(rows, None)
    if columns is None:
        raise NoRows
    return Table(columns, rows)


def _rows(content: Content) -> Iterator[list[str]]:
    reader, decoder = _Rows(), codecs.getincrementaldecoder("utf-8")("replace")
    for piece in content.chunks():
        reader.feed(decoder.decode(piece))
        yield from reader.taken()
    reader.close()
    yield from reader.taken()


class _Rows(HTMLParser):
    """Text of cells by row, as rows end."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._done: list[list[str]] = []
        self._row: list[str] = []
        self._cell: list[str] | None = None

    def taken(self) -> list[list[str]]:
        """The rows that ended since it was asked last."""
        done, self._done = self._done, []
        return done

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        if tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            self._row.append("".join(self._cell))
            self._cell = None
        elif tag == "tr":
            self._done.append(self._row)
            self._row = []

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)
