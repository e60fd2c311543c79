"""Walking another way: the session of real mail without sign-in and without content (E9)."""

import socket
import time

from tests.dialogs.player import Dialog, Playing, dialog_of, playing
from tests.net.conftest import Certificates

from postroom.diagnosis.detour import Detour, DetourSeen
from postroom.net.detour import walked
from postroom.terms.outcome import Stage
from postroom.terms.server import Auth, Security, ServerSettings

ENVELOPE = ("reports@norrvik.example", "anna@customer.example")
HELLO = "S: 220 mx ESMTP\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN\n"
OVER_TLS = f"S: 220 mx ESMTP\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\ntls\n{HELLO[15:]}"
BYE = "C: QUIT\nS: 221 bye\n"


def talk(text: str) -> Dialog:
    return dialog_of("detour", text)


async def seen(
    server: Playing, security: Security, *, host: str = "127.0.0.1", envelope: tuple[str, str] | None = None,
    ca_pem: str = "", timeout_s: float = 3.0,
) -> DetourSeen:
    settings = ServerSettings(host="mx.example", auth=Auth.PASSWORD, username="reports", ca_pem=ca_pem)
    way = Detour(host, server.port, security, {"port": server.port}, envelope)
    return await walked(way, settings, timeout_s, "client.example")


async def test_e9_a_way_is_walked_to_the_extensions_behind_a_verified_certificate(certificates: Certificates) -> None:
    async with playing(talk(OVER_TLS + BYE), context=certificates.server()) as server:
        found = await seen(server, Security.STARTTLS, ca_pem=certificates.pem)
    assert found.is_walked
    assert found.mechanisms == ("PLAIN",)
    assert [line.split()[0] for line in server.lines] == ["EHLO", "STARTTLS", "EHLO", "QUIT"]


async def test_t1_a_certificate_for_another_name_ends_the_walk(certificates: Certificates) -> None:
    async with playing(talk(OVER_TLS), context=certificates.server("other.example")) as server:
        found = await seen(server, Security.STARTTLS, ca_pem=certificates.pem)
    assert not found.is_walked
    assert found.failed_stage is Stage.CERTIFICATE
    assert found.starts_tls


async def test_an_envelope_is_said_and_taken_back_and_no_content_leaves() -> None:
    said = f"C: MAIL FROM:<{ENVELOPE[0]}>\nS: 250 Ok\nC: RCPT TO:<{ENVELOPE[1]}>\nS: 250 Ok\nC: RSET\nS: 250 Ok\n"
    async with playing(talk(HELLO + said + BYE)) as server:
        found = await seen(server, Security.NONE, envelope=ENVELOPE)
    assert found.answer is not None
    assert found.answer.code == 250
    assert server.contents == []
    assert "DATA" not in server.lines


async def test_the_refusal_of_an_envelope_is_the_answer() -> None:
    refusing = f"{HELLO}C: MAIL *\nS: 250 Ok\nC: RCPT *\nS: 554 5.7.1 Relay access denied\nC: RSET\nS: 250 Ok\n{BYE}"
    async with playing(talk(refusing)) as server:
        found = await seen(server, Security.NONE, envelope=ENVELOPE)
    assert found.answer is not None
    assert found.answer.enhanced == "5.7.1"


async def test_b5_a_silent_way_ends_in_time() -> None:
    async with playing(talk("S: 220 mx\nsilence")) as server:
        began = time.monotonic()
        found = await seen(server, Security.NONE, timeout_s=0.5)
        assert time.monotonic() - began < 2.0
    assert found.is_open
    assert found.greets
    assert not found.is_walked


async def test_a_closed_port_and_a_name_that_is_none_are_told_apart() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = Playing(port=taken.getsockname()[1])
        assert (await seen(closed, Security.NONE)).error == "refused"
        assert (await seen(closed, Security.NONE, host="no name")).error == "no-name"


async def test_e1_a_forbidden_address_is_not_dialed() -> None:
    assert (await seen(Playing(port=25), Security.NONE, host="169.254.169.254")).error == "not-allowed"
