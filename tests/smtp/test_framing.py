"""Replies out of octets: never raises, linear, a defined outcome for everything (P6, B5, B12)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.smtp.framing import FAULT_OCTETS, ReplyParser
from postroom.terms.limits import REPLY_BYTES, REPLY_LINE_BYTES, REPLY_LINES

LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.builds(
            lambda code, separator, text: b"%d%s%s" % (code, separator, text),
            st.integers(100, 699), st.sampled_from([b" ", b"-", b"", b"\t"]), st.binary(max_size=20),
        ),
    ),
    max_size=20,
)
OCTETS = st.one_of(st.binary(max_size=400), LINES.map(b"\r\n".join), LINES.map(b"\n".join))


def parsed(octets: bytes, cuts: list[int] | None = None) -> ReplyParser:
    parser, start = ReplyParser(), 0
    for cut in sorted(cuts or []):
        parser.feed(octets[start:cut])
        start = max(start, cut)
    parser.feed(octets[start:])
    return parser


@given(OCTETS, st.lists(st.integers(0, 400), max_size=12))
def test_p6_any_octets_in_any_cuts_come_to_the_same_defined_end(octets: bytes, cuts: list[int]) -> None:
    whole, cut = parsed(octets), parsed(octets, cuts)
    assert list(whole.replies) == list(cut.replies)
    assert (whole.fault and whole.fault.kind) == (cut.fault and cut.fault.kind)
    for reply in whole.replies:
        assert 200 <= reply.code <= 599
        assert reply.lines
        assert all("\n" not in line for line in reply.lines)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30)
SAID = st.lists(st.tuples(st.integers(200, 599), st.lists(TEXT, min_size=1, max_size=5)), max_size=6)


@given(SAID)
def test_what_a_server_may_say_is_read_as_it_was_said(said: list[tuple[int, list[str]]]) -> None:
    octets = b""
    for code, lines in said:
        for i, line in enumerate(lines):
            octets += f"{code}{'-' if i < len(lines) - 1 else ' '}{line}\r\n".encode()
    parser = parsed(octets)
    assert [(reply.code, list(reply.lines)) for reply in parser.replies] == said
    assert parser.fault is None


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (b"25O Ok\r\n", "malformed"),
        (b"199 too low\r\n", "malformed"),
        (b"600 too high\r\n", "malformed"),
        (b"250_no separator\r\n", "malformed"),
        (b"250-one\r\n251 other code\r\n", "malformed"),
        (b"\r\n", "malformed"),
        (b"SSH-2.0-x\r\n", "malformed"),
        (b"HTTP/1.1 400\r\n", "malformed"),
        (b"\x16\x03\x01", "malformed"),
        (b"* OK IMAP\r\n", "malformed"),
        (b"2", ""),
        (b"250", ""),
        (b"250\r", ""),
        (b"250 " + b"x" * (REPLY_LINE_BYTES - 4) + b"\r\n", ""),
        (b"250 " + b"x" * REPLY_LINE_BYTES, "too-long"),
        (b"250 " + b"x" * REPLY_LINE_BYTES + b"\r\n", "too-long"),
        (b"250-x\r\n" * (REPLY_LINES - 1) + b"250 x\r\n", ""),
        (b"250-x\r\n" * REPLY_LINES, "endless"),
        ((b"250-" + b"x" * 2000 + b"\r\n") * (REPLY_BYTES // 2000 + 1), "endless"),
    ],
)
def test_p6_every_breach_has_its_name_at_the_limit_and_beyond(octets: bytes, kind: str) -> None:
    parser = parsed(octets)
    assert (parser.fault.kind if parser.fault else "") == kind
    if kind:
        assert parser.octets
        assert len(parser.octets) <= FAULT_OCTETS


def test_p6_a_code_without_text_is_a_reply() -> None:
    assert [reply.lines for reply in parsed(b"250\r\n220 \r\n354\n").replies] == [("",), ("",), ("",)]


def test_p6_octets_that_are_no_utf8_are_replaced() -> None:
    assert parsed(b"250 \xff\xfe caf\xc3\xa9\r\n").replies[0].lines == ("\ufffd\ufffd café",)


def test_the_first_octets_of_what_is_no_reply_are_kept_across_cuts() -> None:
    parser = ReplyParser()
    for octet in b"SSH-2.0-OpenSSH_9.2p1\r\nmore":
        parser.feed(bytes([octet]))
    assert parser.octets.startswith(b"SSH-2.0-OpenSSH_9.2p1")


def test_b12_a_megabyte_octet_by_octet_takes_linear_time() -> None:
    def seconds(octets: bytes) -> float:
        parser = ReplyParser()
        began = time.process_time()
        for start in range(0, len(octets), 64):
            parser.feed(octets[start : start + 64])
            parser.replies.clear()
        assert parser.fault is None
        return time.process_time() - began

    line = b"250-" + b"y" * 500 + b"\r\n250 end\r\n"
    seconds(line * 100)
    short, long = min(seconds(line * 500) for _ in range(3)), min(seconds(line * 5000) for _ in range(3))
    assert long < short * 10 * 4


def test_b5_memory_stays_flat_under_an_endless_greeting() -> None:
    parser = ReplyParser()
    for _ in range(20_000):
        parser.feed(b"220-line\r\n" * 100)
    assert parser.fault is not None
    assert len(parser.octets) <= FAULT_OCTETS
    assert not parser.replies
