"""Whether a row of a report has a column's value above, below or like another one: numbers, percentages, dates, text.

Nothing is guessed: where a column and the value are of different kinds, or a number can be read in two ways, the answer
is a fault that says so, for the silence of a wrong guess would pass for good news.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from postroom.terms.spreadsheet import plain
from postroom.terms.wording import Wording, worded

COLUMN_CHARACTERS = 100
VALUE_CHARACTERS = 200
# "any" asks for a row that has it, "no" for none.
ROWS = ("any", "no")


class Operator(StrEnum):
    BELOW = "below"
    AT_MOST = "at-most"
    ABOVE = "above"
    AT_LEAST = "at-least"
    IS = "is"
    IS_NOT = "is-not"
    CONTAINS = "contains"

    @property
    def orders(self) -> bool:
        return self in (Operator.BELOW, Operator.AT_MOST, Operator.ABOVE, Operator.AT_LEAST)


_SIGNS = {
    Operator.BELOW: "<", Operator.AT_MOST: "≤", Operator.ABOVE: ">", Operator.AT_LEAST: "≥", Operator.IS: "=",
    Operator.IS_NOT: "≠", Operator.CONTAINS: "∋",
}


class Percent(float):
    """A number that a workbook shows as a percentage: 0.95 for 95 %."""


class Kind(StrEnum):
    NUMBER = "number"
    PERCENT = "percent"
    DATE = "date"
    TIME = "time"
    TEXT = "text"


class ValueFault(Exception):
    """The comparison can't be made; `text` says why, and what to enter instead."""

    def __init__(self, text: Wording) -> None:
        super().__init__(str(text))
        self.text = text


@dataclass(frozen=True, slots=True)
class ColumnValue:
    """A condition as it is stored; `value` as it was typed. today and yesterday are dates."""

    column: str
    operator: Operator
    value: str
    rows: str = ROWS[0]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            str(stored["column"]), Operator(stored["operator"]), str(stored["value"]), str(stored.get("rows") or "any")
        )

    @property
    def formula(self) -> str:
        """As people of every language read it: on-time rate < 95 %."""
        return f"{self.column} {_SIGNS[self.operator]} {self.value or '∅'}"

    def as_json(self) -> dict[str, str]:
        return {"column": self.column, "rows": self.rows, "operator": str(self.operator), "value": self.value}


class ColumnJudge:
    """Looks at one cell after the other. `now` is the time of the run in the subscription's zone. Raises ValueFault
    where the value can't be compared like that."""

    def __init__(self, condition: ColumnValue, now: datetime) -> None:
        self._operator, self._zone = condition.operator, now.tzinfo
        if self._operator is Operator.CONTAINS:
            self._kind, self._wanted = Kind.TEXT, _folded(condition.value)
        else:
            self._kind, self._wanted = _read(_named_day(condition.value, now), now.tzinfo)
        if self._operator.orders and self._kind is Kind.TEXT:
            raise ValueFault(_NO_ORDER)
        self.hits = self.readable = self.unreadable = 0
        self._has_decimal_commas, self._doubtful = False, ""

    def look(self, cell: Any) -> None:
        """Raises ValueFault for a cell of another kind than the value, or one that can be read in two ways."""
        if self._kind is Kind.TEXT:
            self.readable += 1
            self.hits += self._fits_text(_folded(_text(cell)))
            return
        kind, found = _read(cell, self._zone)
        if kind is Kind.TEXT:
            self.unreadable += found != ""
            self.hits += self._operator is Operator.IS_NOT
            return
        found = self._alike(kind, found)
        self._note_marks(cell)
        self.readable += 1
        self.hits += _compared(found, self._operator, self._wanted)

    def refuse_unreadable(self) -> None:
        """Raises ValueFault where the column has something in it, and nothing that could be compared, or where its
        rows are at odds about what a point in a number means."""
        if self._has_decimal_commas and self._doubtful:
            raise ValueFault(worded(
                "The number {number} can be read in two ways, since other rows have a comma before their decimals. "
                "Write numbers without a point between thousands.", number=self._doubtful,
            ))
        if self.unreadable and not self.readable:
            raise ValueFault(_OF_KIND[self._kind])

    def _note_marks(self, cell: Any) -> None:
        """1.234 is a little more than one, unless the numbers of other rows have their decimals after a comma."""
        if isinstance(cell, str) and ("." in cell or "," in cell):
            bare = _bare(plain(cell).strip())
            self._has_decimal_commas |= bool(_DECIMAL_COMMA.match(bare))
            self._doubtful = self._doubtful or (bare if _POINT_EITHER_WAY.match(bare) else "")

    def _fits_text(self, text: str) -> bool:
        if self._operator is Operator.CONTAINS:
            return self._wanted in text
        return (text == self._wanted) is (self._operator is Operator.IS)

    def _alike(self, kind: Kind, found: Any) -> Any:
        """The cell in the kind of the value: only dates and times go into each other."""
        if kind is self._kind:
            return found
        if (kind, self._kind) == (Kind.TIME, Kind.DATE):
            return found.date()
        if (kind, self._kind) == (Kind.DATE, Kind.TIME):
            return datetime.combine(found, datetime.min.time(), self._zone)
        raise ValueFault(_MIXED.get((kind, self._kind), _OF_KIND[self._kind]))


def _compared(found: Any, operator: Operator, wanted: Any) -> bool:
    match operator:
        case Operator.BELOW:
            return bool(found < wanted)
        case Operator.AT_MOST:
            return bool(found <= wanted)
        case Operator.ABOVE:
            return bool(found > wanted)
        case Operator.AT_LEAST:
            return bool(found >= wanted)
    return bool(found == wanted) is (operator is Operator.IS)


def _named_day(value: str, now: datetime) -> str:
    days = {"today": 0, "yesterday": 1}.get(_folded(value))
    return value if days is None else (now.date() - timedelta(days=days)).isoformat()


def _read(cell: Any, zone: tzinfo | None) -> tuple[Kind, Any]:
    """What a cell is, and its value. Raises ValueFault."""
    match cell:
        case bool() | None:
            return Kind.TEXT, _folded(_text(cell))
        case Percent():
            return Kind.PERCENT, Decimal(repr(float(cell)))
        case int() | float() | Decimal():
            number = Decimal(str(cell))
            return (Kind.NUMBER, number) if number.is_finite() else (Kind.TEXT, _folded(str(cell)))
        case datetime():
            return Kind.TIME, _in_zone(cell, zone)
        case date():
            return Kind.DATE, cell
    text = plain(_text(cell)).strip()
    for kind, found in (_date_of(text, zone), _number_of(text)):
        if found is not None:
            return kind, found
    return Kind.TEXT, _folded(text)


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _folded(text: str) -> str:
    return " ".join(plain(text).split()).casefold()


_DOTTED = re.compile(r"([0-3]?\d)\.([01]?\d)\.(\d{4})\Z", re.ASCII)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?\Z", re.ASCII)


def _date_of(text: str, zone: tzinfo | None) -> tuple[Kind, Any]:
    if dotted := _DOTTED.match(text):
        text = f"{dotted[3]}-{int(dotted[2]):02}-{int(dotted[1]):02}"
    if not _ISO.match(text):
        return Kind.TEXT, None
    try:
        if len(text) == len("2026-11-22"):
            return Kind.DATE, date.fromisoformat(text)
        return Kind.TIME, _in_zone(datetime.fromisoformat(text), zone)
    except ValueError:
        return Kind.TEXT, None


def _in_zone(at: datetime, zone: tzinfo | None) -> datetime:
    if at.tzinfo is None:
        return at.replace(tzinfo=zone)
    try:
        return at.astimezone(zone)
    except OverflowError:  # the last day there is, which many take for "never ends", or the first
        return at


# Blanks and apostrophes only divide thousands; a point or a comma may do that or begin the decimals.
_GROUPS = re.compile(r"(?<=\d)[ \u00a0\u202f'\u2019](?=\d{3}(?!\d))")
# Databases write very small and very large numbers with an exponent.
_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)
_EITHER_WAY = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}\Z", re.ASCII)
_POINT_EITHER_WAY = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}\Z", re.ASCII)
# 0,5 and 1.234,50 and 1.234.567
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+,\d+|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,})\Z", re.ASCII)


def _number_of(text: str) -> tuple[Kind, Decimal | None]:
    is_percent, bare = text.endswith("%"), _bare(text)
    if _EITHER_WAY.match(bare):
        raise ValueFault(worded(
            "The number {number} can be read in two ways. Write numbers without a comma between thousands.",
            number=bare,
        ))
    bare = _with_point(bare)
    if not _NUMBER.match(bare):
        return Kind.TEXT, None
    return (Kind.PERCENT, Decimal(bare) / 100) if is_percent else (Kind.NUMBER, Decimal(bare))


def _bare(text: str) -> str:
    """A number without sign of percentage or money, and without what can only divide thousands."""
    kept = "".join(c for c in text.removesuffix("%") if unicodedata.category(c) != "Sc")
    return _GROUPS.sub("", kept.strip().replace("\u2212", "-"))


def _with_point(bare: str) -> str:
    """1.234,5 and 1,234.5 as 1234.5; 0,5 as 0.5."""
    mark = "," if bare.rfind(",") > bare.rfind(".") else "."
    other = "." if mark == "," else ","
    if bare.count(mark) > 1 and not bare.count(other):
        return re.sub(rf"(?<=\d){re.escape(mark)}(?=\d{{3}}(?!\d))", "", bare)
    return re.sub(rf"(?<=\d){re.escape(other)}(?=\d{{3}}(?!\d))", "", bare).replace(mark, ".")


_NO_ORDER = worded("Enter a number, a percentage or a date to compare with, such as 95 % or 2026-11-22.")
_OF_KIND = {
    Kind.NUMBER: worded("The condition compares with a number, and the column has none."),
    Kind.PERCENT: worded("The condition compares with a percentage, and the column has none."),
    Kind.DATE: worded("The condition compares with a date, and the column has none."),
    Kind.TIME: worded("The condition compares with a time, and the column has none."),
}
_MIXED = {
    (Kind.NUMBER, Kind.PERCENT): worded(
        "The condition compares with a percentage, and the column has numbers without %. Enter the value as the column "
        "has it, such as 95 or 0.95."
    ),
    (Kind.PERCENT, Kind.NUMBER): worded(
        "The condition compares with a number, and the column has percentages. Enter the value with %, such as 95 %."
    ),
}
