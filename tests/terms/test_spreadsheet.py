"""Text in files that spreadsheets open, guarded and back (W5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.terms.spreadsheet import neutral, plain

_DELIMITERS = st.sampled_from(",;\t|")


@given(st.text("x1=+-@'\" \t\r,;|", max_size=12), _DELIMITERS)
def test_w5_whatever_a_cell_holds_it_comes_back_as_it_was(text: str, delimiter: str) -> None:
    assert plain(neutral(text, delimiter), delimiter) == text


@given(st.text("x1=+-@'\" \t\r,;|", max_size=12), _DELIMITERS)
def test_w5_no_cell_begins_a_formula(text: str, delimiter: str) -> None:
    assert not neutral(text, delimiter).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("text", ["12,-", "12,- EUR", "48.1,-11.5", "Tel, +49 30", "a;-b", "x;'-1", "'tis"])
def test_a_cell_of_a_file_with_semicolons_keeps_what_stands_after_a_comma(text: str) -> None:
    assert (neutral(text, ";"), plain(text, ";")) == (text, text)
