"""The values of a template as plain data: texts, numbers, truths, lists and tables; nothing that can be called."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from postroom.terms.wording import Wording, worded

from .text_of_html import text_of_html

DEPTH = 12
ITEMS = 50_000
CHARACTERS = 1_000_000


_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# What reports and programs let slip in says nothing to a reader, and no header field takes it.
_CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(127, 160)])


class ValuesFault(Exception):
    """Values that no template takes; `text` says why."""

    def __init__(self, text: Wording) -> None:
        super().__init__(str(text))
        self.text = text


class SafeHtml(str):
    """HTML that was cleaned (`html_cleaning.clean_fragment`) and may stand in an HTML template as it is. In a text
    template its text stands instead."""

    __slots__ = ()


def plain(values: Mapping[str, Any], *, is_html: bool) -> dict[str, Any]:
    """A copy of `values` of plain data only. Times become ISO 8601, and an empty text is no value, since a condition
    of Liquid would take it for one. Raises ValuesFault."""
    copied = _Copier(is_html).copied(values, 0)
    assert isinstance(copied, dict)
    return copied


class _Copier:
    def __init__(self, is_html: bool) -> None:
        self._is_html = is_html
        self._items = 0
        self._characters = 0

    def copied(self, value: Any, depth: int) -> Any:
        self._items += 1
        if depth > DEPTH or self._items > ITEMS:
            text = worded("The values are nested too deeply, or there are more than {most}.", most=ITEMS)
            raise ValuesFault(text)
        if isinstance(value, str):
            return self._text(value) or None
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {self._text(str(name)): self.copied(item, depth + 1) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.copied(item, depth + 1) for item in value]
        if isinstance(value, datetime | date):
            return value.isoformat()
        if isinstance(value, Decimal):
            return str(value)
        raise ValuesFault(worded("A value is neither text, number, list nor table."))

    def _text(self, value: str) -> str:
        self._characters += len(value)
        if self._characters > CHARACTERS:
            raise ValuesFault(worded("The values have more than {most} characters.", most=CHARACTERS))
        if isinstance(value, SafeHtml):
            return Markup(value) if self._is_html else text_of_html(value)
        return _HALF_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", str.__str__(value).translate(_CONTROLS))
