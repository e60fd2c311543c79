"""Nothing nests so deep that a reader of it fails: MIME parts, addresses, JSON (B13)."""

import argparse

import pytest

from postroom.cli import send
from postroom.cli.send import Usage, body_of
from postroom.message.mime_reader import read_message
from postroom.pages.queries.sandbox import read
from postroom.terms.address import AddressProblem, parse_address, parse_mailbox, parse_mailboxes
from postroom.terms.strict_json import DEPTH, JsonProblem, strict_json

LEVELS = 10_000


def parts_within_parts() -> bytes:
    header = "".join(
        f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(LEVELS)
    )
    return f"From: a@b.example\r\nMIME-Version: 1.0\r\n{header}Content-Type: text/plain\r\n\r\nhello\r\n".encode()


def messages_within_messages() -> bytes:
    return b"From: a@b.example\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * LEVELS + b"\r\nhello\r\n"


DEEP = [parts_within_parts(), messages_within_messages()]


@pytest.mark.parametrize("octets", DEEP, ids=["parts", "messages"])
def test_b13_a_caught_or_sent_message_that_nests_is_shown_as_far_as_it_goes(octets: bytes) -> None:
    assert ("From", "a@b.example") in read(octets).headers


@pytest.mark.parametrize("octets", DEEP, ids=["parts", "messages"])
def test_b13_what_comes_back_is_read_as_far_as_it_goes(octets: bytes) -> None:
    assert read_message(octets).header.first("from") == "a@b.example"


@pytest.mark.parametrize("octets", DEEP, ids=["parts", "messages"])
def test_b13_the_command_line_refuses_a_message_that_nests(octets: bytes) -> None:
    parser = argparse.ArgumentParser()
    send.add_arguments(parser)
    with pytest.raises(Usage, match="nest too deep"):
        body_of(parser.parse_args(["-t", "-i"]), lambda: octets)


@pytest.mark.parametrize("opening", ["(", "<", '"', "[", "a:", "@a,", "\\", "a <", '"a" <'])
def test_b13_an_address_that_nests_is_refused_and_not_quoted_at_length(opening: str) -> None:
    closing = {"(": ")", "<": ">", "[": "]", "a <": ">", '"a" <': ">"}.get(opening, "")
    text = f"{opening * LEVELS}a@b.example{closing * LEVELS}"
    for reading in (parse_address, parse_mailbox, parse_mailboxes):
        with pytest.raises(AddressProblem) as problem:
            reading(text)
        assert len(str(problem.value)) < 500


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_b13_json_nests_to_its_limit_and_no_further(opening: str, closing: str) -> None:
    assert strict_json(f"{opening * DEPTH}1{closing * DEPTH}".encode())
    for levels in (DEPTH + 1, LEVELS, 100 * LEVELS):
        with pytest.raises(JsonProblem):
            strict_json(f"{opening * levels}1{closing * levels}".encode())
