"""The text of a page line by line: blocks and rows on lines of their own, cells one after the other.

Nothing is drawn in columns or indented, so that it is never longer than twice the page."""

import re
from typing import Any

from lxml.etree import iterwalk

from .html_extent import APART, BLOCKS, HIDDEN, KEPT_AS_IT_IS

_SPACES = re.compile(r"\s+")
_APART = APART | {"table"}
_ON_LINES = BLOCKS | {"table", "tr", "caption"}
_BULLET = "* "


def lines_of(tree: Any) -> str:
    """The text of `tree`, in time by its length."""
    lines = _Lines()
    kept = 0
    walk = iterwalk(tree, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if event == "start":
            lines.start(element.tag)
            kept += element.tag in KEPT_AS_IT_IS
            if element.tag in HIDDEN:
                walk.skip_subtree()
            else:
                lines.write(element.text, is_kept=kept > 0)
        else:
            if event == "end":
                kept -= element.tag in KEPT_AS_IT_IS
                lines.end(element.tag)
            lines.write(element.tail, is_kept=kept > 0)
    return lines.text


class _Lines:
    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._end = "\n"
        self._is_apart = False

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in "".join(self._pieces).split("\n")).strip("\n")

    def start(self, tag: str) -> None:
        if tag in _ON_LINES:
            self._end_line(tag)
        if tag == "br":
            self._put("\n")
        elif tag == "li":
            self._put(_BULLET)
        elif tag in ("td", "th") and self._end != "\n":
            self._put(" " if self._end == " " else "  ")

    def end(self, tag: str) -> None:
        if tag in _ON_LINES:
            self._end_line(tag)

    def write(self, text: str | None, *, is_kept: bool) -> None:
        if text and not is_kept:
            text = _SPACES.sub(" ", text)
            text = text.lstrip(" ") if self._end in (" ", "\n") else text
        if text:
            self._put(text)

    def _end_line(self, tag: str) -> None:
        if self._end != "\n":
            self._put("\n")
        self._is_apart = self._is_apart or (tag in _APART and bool(self._pieces))

    def _put(self, text: str) -> None:
        if self._is_apart:
            self._pieces.append("\n")
            self._is_apart = False
        self._pieces.append(text)
        self._end = text[-1]
