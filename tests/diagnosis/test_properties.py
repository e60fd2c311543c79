"""What holds for any text: no exception, no secret, linear work, and no cause for what has nothing to do with mail."""

import base64
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.diagnosis.text import finding_of_text
from postroom.smtp.framing import ReplyParser
from postroom.terms.finding import Finding

UNRELATED = Path(__file__).with_name("unrelated.txt").read_text(encoding="utf-8").splitlines()
SERVER = {"host": "mail.norrvik.example", "port": 587, "security": "starttls", "username_given": True}
SMALL, LARGE = 32 * 1024, 1024 * 1024
UNITS = (
    b"a", b"5.7.8 ", b"550 ", b"550-5.7.1 x\r\n", b"<a@b.c>: ", b"\\\\\\\"", b"&amp;lt;", b"at a.b(",
    b"\n    at x.y(z:1)", b"AAAAAAAA\n", b"base64 " + b"A" * 70 + b"\n",
    b"not ", b"\x00", b"*", b"host a said: ", b"\xff\xfe", b"password: ",
    b"://a:", b"2001:db8::", b"never 250 arriv ", b"certificate ",
)


def whole(found: Finding) -> str:
    return "\n".join((found.title, found.explanation, *found.fix, *found.evidence))


def explained(octets: bytes) -> Finding:
    return finding_of_text(octets.decode("utf-8", "replace"), SERVER, "smtplib")


def parsed(octets: bytes) -> ReplyParser:
    parser = ReplyParser()
    for start in range(0, len(octets), 1400):
        parser.feed(octets[start : start + 1400])
        parser.replies.clear()
    return parser


def least_seconds(work: Callable[[bytes], object], octets: bytes) -> float:
    def once() -> float:
        began = time.process_time()
        work(octets)
        return time.process_time() - began

    return min(once() for _ in range(3))


@pytest.mark.parametrize("text", UNRELATED)
def test_a_text_that_has_nothing_to_do_with_mail_has_no_cause(text: str) -> None:
    assert finding_of_text(text).cause == "unknown"


def test_there_are_two_hundred_unrelated_texts() -> None:
    assert len(set(UNRELATED)) == 200


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("work", [explained, parsed])
def test_a_mebibyte_costs_less_than_forty_times_a_thirty_second_of_it(
    work: Callable[[bytes], object], unit: bytes
) -> None:
    small, large = ((unit * (size // len(unit) + 1))[:size] for size in (SMALL, LARGE))
    assert least_seconds(work, large) < 40 * max(least_seconds(work, small), 0.0005)


@given(st.binary(max_size=4_000), st.sampled_from(UNITS), st.integers(0, 400))
@settings(max_examples=200)
def test_arbitrary_octets_neither_stop_the_reading_of_texts_nor_of_replies(
    octets: bytes, unit: bytes, times: int
) -> None:
    assert explained(octets + unit * times).cause
    assert parsed(octets + unit * times).fault is None or parsed(octets).replies is not None


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=8, max_size=24))
@settings(max_examples=200)
def test_a_password_that_stands_in_the_text_is_not_repeated_in_any_encoding(password: str) -> None:
    raw = password.encode()
    login = base64.b64encode(b"\0reports\0" + raw).decode()
    forms = [password, urllib.parse.quote(password), base64.b64encode(raw).decode(), login, raw.hex()]
    text = f"535 5.7.8 authentication failed for {' '.join(forms)} on the SMTP server"
    found = finding_of_text(text, {**SERVER, "username": "reports", "password": password})
    assert not any(form in " ".join(found.evidence) for form in forms if len(form.split()) == 1 and len(form) >= 8)


@pytest.mark.parametrize(
    "text",
    [
        "smtp: Invalid URL: smtps://reports:hunter2secret@mail.norrvik.example:587",
        "C: AUTH PLAIN AHJlcG9ydHMAaHVudGVyMnNlY3JldA== S: 535 5.7.8 no",
        "535 5.7.8 authentication failed { host: 'mail', pass: 'hunter2secret' }",
    ],
)
def test_what_was_pasted_of_credentials_is_hidden_without_being_known(text: str) -> None:
    told = whole(finding_of_text(text))
    assert "hunter2secret" not in told
    assert "AHJlcG9ydHM" not in told
    assert "[hidden]" in told
