"""Octets are read in the charset that they declare, where that is one of mail and takes time by their length."""

import encodings.aliases

import pytest

from postroom.cli.raw_message import fields_of
from postroom.message.charset import text_in
from postroom.message.mime_reader import leaves, read_message
from postroom.pages.queries.sandbox import read

# What each would read here is something else.
ODD = {
    "punycode": b"bcher-kva", "PunyCode": b"bcher-kva", "idna": b"xn--bcher-kva.example", "rot13": b"uryyb",
    "hex": b"6869", "base64": b"aGVsbG8=", "undefined": b"hello", "nowhere-9": b"hello", "a\0b": b"hello", "": b"hello",
}


@pytest.mark.parametrize("charset", ODD)
def test_b12_a_charset_that_is_none_of_mail_or_takes_long_counts_as_unknown(charset: str) -> None:
    assert text_in(charset, ODD[charset]) == ODD[charset].decode()


@pytest.mark.parametrize("charset", ["punycode", "idna"])
def test_b12_every_reader_of_messages_leaves_such_a_charset_alone(charset: str) -> None:
    octets = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + ODD[charset]
    assert [leaf.text for leaf in leaves(read_message(octets))] == [ODD[charset].decode()]
    assert read(octets).text == ODD[charset].decode()
    assert fields_of(octets)["text"] == ODD[charset].decode()


def test_b12_no_field_of_a_caught_message_is_decoded_beyond_what_a_subject_may_be() -> None:
    word = f"=?punycode?q?{'a' * 20_000}?="
    assert read(f"Subject: {word}\r\n\r\nx".encode()).headers == [("Subject", word[:5_000])]


@pytest.mark.parametrize("charset", sorted({*encodings.aliases.aliases.values(), *ODD}))
def test_b12_any_octets_are_text_that_a_page_and_a_database_can_hold(charset: str) -> None:
    for octets in (b"", b"Hello", bytes(range(256)) * 3, b"\\ud800 \xff", b"+2AA-"):
        text_in(charset, octets).encode()


def test_what_is_no_text_in_its_charset_is_read_as_utf_8_where_it_is_that_and_else_replaced() -> None:
    assert text_in("ANSI_X3.4-1968", "Grüße".encode()) == "Grüße"
    assert text_in("us-ascii", "Grüße".encode("latin-1")) == "Gr\ufffd\ufffde"
    assert text_in("iso-8859-1", "Grüße".encode("latin-1")) == "Grüße"
    assert text_in("shift_jis", "日本".encode("shift_jis") + b"\xff") == "日本\ufffd"


def test_what_shifts_between_character_sets_is_not_shown_as_its_escape_codes_where_one_character_is_unknown() -> None:
    octets = "日本".encode("iso-2022-jp")
    assert text_in("iso-2022-jp", octets.replace(b"\x1b(B", b"-!\x1b(B")) == "日本\ufffd"
    assert text_in("us-ascii", b"Hello") == text_in("nowhere-9", b"Hello") == "Hello"
