"""Remote text for people (O4, W3)."""

from hypothesis import given
from hypothesis import strategies as st

from postroom.smtp.text import printable, printable_octets


@given(st.text(max_size=300), st.integers(1, 100))
def test_o4_what_is_shown_holds_no_control_no_direction_and_is_bounded(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1


def test_o4_escapes_are_readable() -> None:
    assert printable("a\x1b[31mb\r\nc\u202ed\x9b") == "a\\x1b[31mb\\x0d\\x0ac\\u{202e}d\\x9b"


def test_text_that_is_cut_says_so() -> None:
    assert printable("x" * 10, 5) == "xxxx…"
    assert printable("x" * 5, 5) == "xxxxx"


def test_octets_that_are_no_utf8_are_escaped() -> None:
    assert printable_octets(b"\x16\x03\x01 caf\xc3\xa9 \xff") == "\\x16\\x03\\x01 café \\xff"
