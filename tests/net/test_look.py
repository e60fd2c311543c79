"""Looks for diagnosis: bounded, and without any credential (E9)."""

import socket
import time

import pytest
from tests.dialogs.player import dialog_of, playing
from tests.net.conftest import Certificates, handshaking

from postroom.net import look

SILENT = dialog_of("silent", "silence")
STARTTLS = dialog_of(
    "starttls", "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\ntls\nsilence"
)


async def test_first_words_are_those_of_the_peer() -> None:
    async with playing(dialog_of("imap", "S: * OK IMAP4rev1 ready\nsilence")) as server:
        assert await look.first_words("127.0.0.1", server.port, 2.0) == b"* OK IMAP4rev1 ready\r\n"


async def test_first_words_may_follow_ours() -> None:
    async with playing(dialog_of("http", "C: GET / *\nS: HTTP/1.1 200 OK\ndrop")) as server:
        words = await look.first_words("127.0.0.1", server.port, 2.0, send=b"GET / HTTP/1.0\r\n\r\n")
    assert words.startswith(b"HTTP/1.1 200 OK")


async def test_e9_a_silent_port_says_nothing_within_the_time_given() -> None:
    async with playing(SILENT) as server:
        began = time.monotonic()
        assert await look.first_words("127.0.0.1", server.port, 0.3) == b""
        assert time.monotonic() - began < 1.0
    assert server.lines == []


async def test_b5_endless_first_words_are_cut() -> None:
    async with playing(dialog_of("flood", "flood xxxxxxxx")) as server:
        assert len(await look.first_words("127.0.0.1", server.port, 2.0)) == 512
    assert server.sent_bytes < 8_000_000


@pytest.mark.parametrize("starttls", [False, True])
async def test_e9_a_hello_reads_the_certificate_and_says_nothing_more(
    certificates: Certificates, starttls: bool
) -> None:
    played = STARTTLS if starttls else SILENT
    async with playing(played, context=certificates.server("other.example"), implicit_tls=not starttls) as server:
        event = await look.tls_hello("127.0.0.1", server.port, "mx.example", 5.0, starttls=starttls)
    assert event.error == ""
    assert event.version == "TLS 1.3"
    assert event.chain[0].names == ("other.example",)
    assert not event.verified
    assert [line.split()[0] for line in server.lines] == (["EHLO", "STARTTLS"] if starttls else [])


async def test_a_hello_to_a_plain_port_keeps_its_words() -> None:
    async with playing(dialog_of("plain", "S: 220 mx.example\nsilence")) as server:
        event = await look.tls_hello("127.0.0.1", server.port, "", 5.0)
    assert (event.error, event.first_bytes) == ("not-tls", b"220 mx.example\r\n")


async def test_a_hello_after_a_refused_starttls_is_an_error() -> None:
    refusing = dialog_of("refusing", "S: 220 mx\nC: EHLO *\nS: 250 mx\nC: STARTTLS\nS: 454 no\nsilence")
    async with playing(refusing) as server:
        event = await look.tls_hello("127.0.0.1", server.port, "", 5.0, starttls=True)
    assert event.error == "other"
    assert "454" in event.error_text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_oldest_hello_reads_what_an_old_server_speaks(certificates: Certificates) -> None:
    with handshaking(certificates.old_server()) as port:
        assert (await look.tls_hello("127.0.0.1", port, "", 5.0)).error == "protocol-version"
        assert (await look.oldest_tls("127.0.0.1", port)).version == "TLS 1.1"


async def test_e1_a_metadata_service_is_not_looked_at_and_a_closed_port_says_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert (await look.tls_hello("127.0.0.1", port, "", 1.0)).error == "closed"
        assert await look.first_words("127.0.0.1", port, 1.0) == b""
    assert await look.first_words("169.254.169.254", 80, 1.0) == b""


async def test_names_resolve_or_say_why_not() -> None:
    assert (await look.resolves("127.0.0.1")).addresses == ("127.0.0.1",)
    assert (await look.resolves("not a name")).error == "invalid"
