"""Conditions on a column's value: what is compared with what, and what is no comparison."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from postroom.policy.column_value import ColumnJudge, ColumnValue, Operator, Percent, ValueFault

NOW = datetime(2026, 11, 23, 0, 30, tzinfo=ZoneInfo("Europe/Berlin"))


def judge(operator: str, value: str, *cells: Any) -> ColumnJudge:
    found = ColumnJudge(ColumnValue("rate", Operator(operator), value), NOW)
    for cell in cells:
        found.look(cell)
    return found


@pytest.mark.parametrize(
    ("operator", "value", "cell", "hits"),
    [
        ("below", "95 %", "94.9 %", True), ("below", "95 %", "94,9%", True), ("below", "95%", "95 %", False),
        ("below", "95 %", Percent(0.949), True), ("below", "95 %", Percent(0.95), False),
        ("at-most", "95 %", "95 %", True),
        ("below", "95", 94, True), ("below", "95", 94.5, True), ("below", "95", Decimal("95.0"), False),
        ("above", "1000", "1.234,50", True), ("above", "1000", "1,234.50", True), ("above", "1000", "1 234", True),
        ("above", "1000", "1\u202f234,5", True), ("above", "1000", "1'234", True),
        ("above", "1,000,000", "1.000.001", True),
        ("above", "0.5", "0,942", True), ("at-least", "12.5", "€ 12.50", True), ("below", "0", "'-5", True),
        ("below", "0", "−5", True), ("is", "5", "5.0", True), ("is", "5", "five", False), ("is-not", "5", "five", True),
        ("is-not", "5", "", True), ("below", "5", "", False), ("below", "5", None, False), ("below", "5", "n/a", False),
        ("below", "5", float("nan"), False),
        ("below", "2026-11-22", date(2026, 11, 21), True), ("below", "2026-11-22", "21.11.2026", True),
        ("below", "2026-11-22", "2026-11-21T23:59:59", True), ("below", "today", "2026-11-22", True),
        ("is", "yesterday", "2026-11-22", True), ("is", "yesterday", datetime(2026, 11, 21, 23, 30, tzinfo=UTC), True),
        ("above", "2026-11-22 12:00", datetime(2026, 11, 22, 11, 1, tzinfo=UTC), True),
        ("above", "2026-11-22 12:00", "2026-11-22", False),
        ("above", "today", "9999-12-31 23:59:59+00:00", True),
        ("above", "today", datetime(9999, 12, 31, 23, 59, tzinfo=UTC), True),
        ("above", "0", "1e-05", True), ("below", "0", "-2.5E+07", True), ("above", "2 %", "1e1 %", True),
        ("above", "1000", "1.234", False),
        ("is", "Open", " open ", True), ("is-not", "done", "open", True), ("is-not", "done", "Done", False),
        ("contains", "late", "very LATE indeed", True), ("contains", "5", 1.5, True),
        ("contains", "1,234", "of 1,234", True), ("contains", "late", None, False),
        ("is", "", None, True), ("is", "", "x", False), ("is", "true", True, True),
    ],
)
def test_a_cell_is_compared_with_the_value(operator: str, value: str, cell: Any, hits: bool) -> None:
    assert judge(operator, value, cell).hits == hits


@pytest.mark.parametrize(
    ("value", "cell", "said"),
    [
        ("95 %", 94.2, "numbers without %"), ("95 %", "94.2", "numbers without %"), ("95", "94 %", "with %"),
        ("95", Percent(0.94), "with %"), ("95", "12,345", "two ways"), ("95", "2026-11-22", "a number"),
        ("today", "5", "a date"),
    ],
)
def test_what_could_be_meant_in_two_ways_is_a_fault_and_no_guess(value: str, cell: Any, said: str) -> None:
    with pytest.raises(ValueFault, match=said):
        judge("below", value, cell)


@pytest.mark.parametrize("value", ["", "soon", "95 %%", "1-2", "٣", "1,234"])
def test_only_numbers_percentages_and_dates_have_an_order(value: str) -> None:
    with pytest.raises(ValueFault):
        judge("above", value)


def test_a_column_of_words_is_no_column_without_such_a_row() -> None:
    few = judge("below", "5", "n/a", "", 7)
    few.refuse_unreadable()
    assert (few.hits, few.unreadable, few.readable) == (0, 1, 1)
    with pytest.raises(ValueFault, match="number"):
        judge("below", "5", "n/a", "").refuse_unreadable()
    judge("below", "5", "", None).refuse_unreadable()


@pytest.mark.parametrize("other", ["0,5", "1.234.567", "12.345,60", "€ 7,25", "3,5 %"])
def test_a_point_that_may_divide_thousands_is_no_guess_where_another_row_has_decimals_after_a_comma(other: str) -> None:
    value = "1000 %" if "%" in other else "1000"
    doubtful = "1.234 %" if "%" in other else "1.234"
    for cells in ((doubtful, other), (other, doubtful)):
        with pytest.raises(ValueFault, match=r"1\.234.*two ways"):
            judge("above", value, *cells).refuse_unreadable()
    judge("above", value, doubtful, doubtful).refuse_unreadable()
    judge("above", value, other, other).refuse_unreadable()


def test_a_condition_is_stored_as_it_is_read() -> None:
    condition = ColumnValue("on-time rate", Operator.BELOW, "95 %", "no")
    assert ColumnValue.from_json(condition.as_json()) == condition
