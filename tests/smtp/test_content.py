"""Content as it leaves (P2): canonical lines, stuffed dots, whatever the chunks."""

import re

from hypothesis import given
from hypothesis import strategies as st

from postroom.smtp.content import ContentFraming

OCTETS = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\0", b"\r\n.\r\n"]), max_size=60).map(b"".join),
)


def framed(octets: bytes, cuts: list[int], *, vouched: bool = False) -> bytes:
    framing, wire, start = ContentFraming(vouched=vouched), b"", 0
    for cut in [*sorted(cuts), len(octets)]:
        wire += framing.framed(octets[start:cut]) if cut > start else b""
        start = max(start, cut)
    return wire + framing.ending()


def read_by_a_server(wire: bytes) -> tuple[bytes, bytes]:
    """An independent reader after RFC 5321 4.5.2: line by line, content and what follows the final dot."""
    content = b""
    while True:
        line, end, wire = wire.partition(b"\r\n")
        assert end, "the content has no end"
        if line == b".":
            return content, wire
        content += (line[1:] if line.startswith(b".") else line) + b"\r\n"


@given(OCTETS, st.lists(st.integers(0, 200), max_size=12))
def test_p2_a_server_reads_what_was_meant_for_any_chunking(octets: bytes, cuts: list[int]) -> None:
    content, rest = read_by_a_server(framed(octets, cuts))
    canonical = re.sub(rb"\r\n|\r|\n", b"\r\n", octets)
    if canonical and not canonical.endswith(b"\r\n"):
        canonical += b"\r\n"
    assert content == canonical
    assert rest == b"", "nothing follows the final dot"


@given(OCTETS, st.lists(st.integers(0, 200), max_size=12))
def test_p2_no_bare_cr_or_lf_leaves_and_the_final_dot_is_the_only_one(octets: bytes, cuts: list[int]) -> None:
    wire = framed(octets, cuts)
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", wire)
    assert len(re.findall(rb"(?:\A|\r\n)\.\r\n", wire)) == 1


@given(OCTETS, st.lists(st.integers(0, 200), max_size=12))
def test_p2_content_that_somebody_vouches_for_leaves_as_if_it_were_looked_at(octets: bytes, cuts: list[int]) -> None:
    canonical = re.sub(rb"\r\n|\r|\n", b"\r\n", octets)
    assert framed(canonical, cuts, vouched=True) == framed(canonical, cuts)


def test_an_empty_content_is_a_lone_dot() -> None:
    assert ContentFraming().ending() == b".\r\n"
