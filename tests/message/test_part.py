"""Parts of text: as they are where every line may be sent, else encoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.message.part import canonical_text, text_part
from postroom.terms.limits import TEXT_LINE_BYTES

FITS, TOO_LONG = "x" * TEXT_LINE_BYTES, "x" * (TEXT_LINE_BYTES + 1)


def is_sent_as_it_is(text: str) -> bool:
    return b"7bit" in text_part("plain", text).header


@pytest.mark.parametrize(
    "before", ["", "short\n", "short\n" * 400, f"{FITS}\n", f"{FITS}\n" * 3, "\n" * 999, "\n" * 1_000]
)
@pytest.mark.parametrize("after", ["", "\n", "\nshort", "\nshort\n" * 300])
def test_a_line_of_998_octets_is_sent_as_it_is_and_a_longer_one_is_encoded(before: str, after: str) -> None:
    assert is_sent_as_it_is(f"{before}{FITS}{after}")
    assert not is_sent_as_it_is(f"{before}{TOO_LONG}{after}")


@given(st.lists(st.integers(0, 2 * TEXT_LINE_BYTES), max_size=12))
def test_text_is_sent_as_it_is_exactly_where_no_line_is_too_long(lengths: list[int]) -> None:
    text = "\n".join("x" * length for length in lengths)
    longest = max(map(len, canonical_text(text).split("\r\n")))
    assert is_sent_as_it_is(text) == (longest <= TEXT_LINE_BYTES)
