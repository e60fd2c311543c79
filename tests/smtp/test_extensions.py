"""What EHLO offered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.smtp.extensions import extensions_of, mechanisms_of, size_limit_of
from postroom.terms.reply import Reply


def extensions(*lines: str) -> dict[str, tuple[str, ...]]:
    return extensions_of(Reply(250, ("mx.example greets you", *lines)))


def test_keywords_are_read_in_any_letter_case_and_the_first_line_is_none() -> None:
    assert extensions("pipelining", "Size 1000", "") == {"PIPELINING": (), "SIZE": ("1000",)}


def test_both_forms_of_auth_are_one() -> None:
    offered = extensions("AUTH PLAIN login", "AUTH=LOGIN CRAM-MD5", "AUTH=")
    assert mechanisms_of(offered) == ("PLAIN", "LOGIN", "CRAM-MD5")


@pytest.mark.parametrize(
    ("line", "limit"),
    [("SIZE 1000", 1000), ("SIZE 0", None), ("SIZE", None), ("SIZE many", None), ("SIZE ²", None),
     ("SIZE " + "9" * 21, None), ("SIZE -5", None)],
)
def test_p9_size_is_a_number_or_no_limit(line: str, limit: int | None) -> None:
    assert size_limit_of(extensions(line)) == limit


@given(st.lists(st.text(max_size=40), max_size=10))
def test_b12_any_lines_are_read(lines: list[str]) -> None:
    offered = extensions(*lines)
    mechanisms_of(offered)
    size_limit_of(offered)
