"""How much text a page becomes when its tables are drawn in columns and its lists indented, found without drawing it.

A table has as many lines as its rows, each as wide as the widest cells, so that one long cell and many short rows make
a text by the product of both. What is counted here follows the layout of Inscriptis, in time by the page's length.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

HIDDEN = frozenset(("head", "link", "meta", "script", "style", "title"))
KEPT_AS_IT_IS = frozenset(("pre", "xmp", "listing", "plaintext"))
APART = frozenset(("p", "figure", "h1", "h2", "h3", "h4", "h5", "h6"))
BLOCKS = APART | KEPT_AS_IT_IS | frozenset((
    "ul", "ol", "li", "address", "article", "aside", "div", "footer", "header", "hgroup", "layer", "main", "nav",
    "figcaption", "blockquote",
))
_INDENTED = {"ul": 4, "ol": 4, "div": 2}
_CELLS = frozenset(("td", "th"))
_IN_TABLES = _CELLS | {"table", "tr", "br"}
_BULLET = _BETWEEN_CELLS = 2
# A line is copied with each piece that it grows by, far faster than a piece is drawn.
_COPIED_AT_ONCE = 64


class Extent(NamedTuple):
    """At most so many characters a text has, and those that are drawn for it: a table within a table is drawn twice."""

    characters: int
    drawn: int


def extent(tree: Any) -> Extent:
    """What the text of `tree` takes."""
    drawing, page = _Drawing(), _Canvas()
    drawing.draw(tree, page, is_kept=False)
    page.end_line()
    return Extent(page.characters, drawing.drawn + page.characters)


@dataclass(slots=True)
class _Canvas:
    """What is written on, the page or a cell. `line` is the length of the line that is being written."""

    lines: int = 0
    widest: int = 0
    characters: int = 0
    line: int = 0
    indent: int = 0
    is_apart: bool = True

    def end_line(self, *, is_forced: bool = False) -> None:
        if self.line or is_forced:
            self.add(1, self.indent + self.line)
            self.line, self.is_apart = 0, False

    def set_apart(self) -> None:
        if not self.is_apart:
            self.add(1, 0)
            self.is_apart = True

    def add(self, lines: int, width: int) -> None:
        self.lines += lines
        self.widest = max(self.widest, width)
        self.characters += lines * (width + 1)


@dataclass(slots=True)
class _Table:
    rows: list[list[_Canvas]] = field(default_factory=list)

    def new_cell(self) -> _Canvas:
        if not self.rows:
            self.rows.append([])
        self.rows[-1].append(_Canvas())
        return self.rows[-1][-1]

    def size(self) -> tuple[int, int]:
        """Lines and width."""
        widths: list[int] = []
        lines = 0
        for row in self.rows:
            tallest = max((cell.lines for cell in row), default=0)
            lines += tallest + 1 if tallest > 1 else 1  # blank lines within preformatted text may be one more
            widths += [0] * (len(row) - len(widths))
            for place, cell in enumerate(row):
                widths[place] = max(widths[place], cell.widest)
        return max(lines, 1), sum(widths) + _BETWEEN_CELLS * len(widths)


class _Drawing:
    def __init__(self) -> None:
        self.drawn = 0
        self._tables: list[_Table] = []

    def draw(self, element: Any, canvas: _Canvas, *, is_kept: bool) -> None:
        """An element on what it is written on; in one that `is_kept` white space counts."""
        tag = element.tag
        around = canvas
        if tag in BLOCKS:
            _start_block(canvas, tag)
        elif tag in _IN_TABLES:
            canvas = self._start_in_table(tag, canvas)
        is_kept = is_kept or tag in KEPT_AS_IT_IS
        if element.text and tag not in HIDDEN:
            self._write(element.text, canvas, tag, is_kept=is_kept)
        for child in element:
            if child.tag.__class__ is str:
                self.draw(child, canvas, is_kept=is_kept)
            if child.tail:
                self._write(child.tail, canvas, tag, is_kept=is_kept)
        if tag in BLOCKS:
            _end_block(canvas, tag)
        elif tag in _CELLS:
            canvas.end_line()
        elif tag == "table":
            self._end_table(canvas, around)

    def _start_in_table(self, tag: str, canvas: _Canvas) -> _Canvas:
        if tag == "br":
            canvas.end_line(is_forced=True)
        elif tag == "table":
            self._tables.append(_Table())
            return _Canvas()
        elif self._tables and tag == "tr":
            self._tables[-1].rows.append([])
        elif self._tables:
            return self._tables[-1].new_cell()
        return canvas

    def _write(self, text: str, canvas: _Canvas, tag: str, *, is_kept: bool) -> None:
        if is_kept:
            *ended, last = map(len, text.split("\n"))
            for length in ended:
                canvas.line += length
                canvas.end_line(is_forced=True)
            canvas.line += last + 1  # an empty one is a line too
        else:
            canvas.line += 1 if text.isspace() else len(" ".join(text.split())) + 2
        if tag == "q":
            canvas.line += 2
        self.drawn += canvas.line // _COPIED_AT_ONCE

    def _end_table(self, beside: _Canvas, around: _Canvas) -> None:
        """`beside` holds what stands in the table and in none of its cells: it comes before the table."""
        lines, width = self._tables.pop().size()
        beside.end_line()
        around.line += beside.characters
        around.end_line()
        self.drawn += lines * (width + 1)
        around.add(lines + 1, around.indent + _INDENTED["ul"] + width)


def _start_block(canvas: _Canvas, tag: str) -> None:
    canvas.end_line()
    if tag in APART:
        canvas.set_apart()
    elif tag in _INDENTED:
        canvas.indent += _INDENTED[tag]
    elif tag == "li":
        canvas.line += _BULLET


def _end_block(canvas: _Canvas, tag: str) -> None:
    canvas.end_line()
    if tag in APART:
        canvas.set_apart()
    elif tag in _INDENTED:
        canvas.indent -= _INDENTED[tag]
