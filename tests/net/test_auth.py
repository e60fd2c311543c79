"""AUTH over real sockets: what may travel where (T1, T7, T9)."""

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest
from scramp import ScramMechanism
from tests.dialogs.player import dialog_of, playing
from tests.net.sessions import PASSWORD, SECRET_FORMS, USERNAME, opened

from postroom.net import opening
from postroom.net.session import Recorder, SessionFailed
from postroom.smtp.trace import OurRefusal
from postroom.smtp.transcript import transcript
from postroom.terms.outcome import Stage
from postroom.terms.server import Auth

PLAIN_ONLY = dialog_of("plain", "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN LOGIN\nC: AUTH PLAIN *\nS: 235 ok")


async def test_t1_plain_goes_without_tls_to_loopback() -> None:
    async with playing(PLAIN_ONLY) as server:
        session = await opened(server.port, Recorder(), auth=Auth.PASSWORD)
        assert session.mechanism == "PLAIN"
        await session.close()


async def test_t1_plain_never_goes_without_tls_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer's address decides; a machine of tests has none but loopback, so that it is told another one."""
    _pretend_not_loopback(monkeypatch)
    recorder = Recorder()
    async with playing(PLAIN_ONLY) as server:
        with pytest.raises(SessionFailed) as failed:
            await opened(server.port, recorder, auth=Auth.PASSWORD)
    assert failed.value.stage is Stage.AUTHENTICATE
    assert [event.reason for event in recorder.trace.events if isinstance(event, OurRefusal)] == ["auth-needs-tls"]
    assert not [line for line in server.lines if line.startswith("AUTH")]


async def test_t1_plain_goes_without_tls_where_the_administrator_allowed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend_not_loopback(monkeypatch)
    async with playing(PLAIN_ONLY) as server:
        session = await opened(server.port, Recorder(), auth=Auth.PASSWORD, allow_plain_auth=True)
        assert session.mechanism == "PLAIN"
        await session.close()


async def test_cram_md5_goes_before_plain_without_tls() -> None:
    played = dialog_of(
        "cram",
        "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN CRAM-MD5\nC: AUTH CRAM-MD5\nS: 334 PDE+\nC: *\nS: 235 ok",
    )
    async with playing(played) as server:
        session = await opened(server.port, Recorder(), auth=Auth.PASSWORD)
        assert session.mechanism == "CRAM-MD5"
        await session.close()
    assert base64.b64decode(server.lines[2]).startswith(b"user ")


async def test_a_server_that_asks_plain_for_its_message_again_gets_it_once() -> None:
    played = dialog_of(
        "plain334", "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN *\nS: 334 \nC: *\nS: 235 ok"
    )
    async with playing(played) as server:
        await (await opened(server.port, Recorder(), auth=Auth.PASSWORD)).close()
    assert base64.b64decode(server.lines[2]) == f"\0{USERNAME}\0{PASSWORD}".encode()


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize("password", [PASSWORD, "another"])
async def test_scram_with_a_server_of_its_own(name: str, password: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    recorder = Recorder()
    async with scram_server(name, password) as port:
        if password == PASSWORD:
            session = await opened(port, recorder, auth=Auth.PASSWORD)
            assert session.mechanism == name
            await session.close()
        else:
            with pytest.raises(SessionFailed) as failed:
                await opened(port, recorder, auth=Auth.PASSWORD)
            assert failed.value.reply is not None
            assert failed.value.reply.code == 535
    shown = repr(recorder.trace.events) + "\n".join(transcript(recorder.trace.events)) + caplog.text
    for secret in SECRET_FORMS:
        assert secret not in shown
    assert "AUTH " + name + " [answer hidden]" in shown


@contextlib.asynccontextmanager
async def scram_server(name: str, password: str) -> AsyncIterator[int]:
    mechanism = ScramMechanism(name)
    stored = mechanism.make_auth_info(password)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        async def hear() -> str:
            return base64.b64decode((await reader.readline()).split()[-1]).decode()

        say("220 mx")
        await reader.readline()
        say(f"250-mx\r\n250 AUTH PLAIN {name}")
        scram = mechanism.make_server(lambda _user: stored)
        scram.set_client_first(await hear())
        say("334 " + base64.b64encode(scram.get_server_first().encode()).decode())
        try:
            scram.set_client_final(await hear())
        except Exception:  # noqa: BLE001 - scramp raises several kinds for a wrong proof
            say("535 5.7.8 no")
        else:
            say("334 " + base64.b64encode(scram.get_server_final().encode()).decode())
            await reader.readline()
            say("235 ok")
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _pretend_not_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    real = opening.Opening.authenticate

    async def elsewhere(self: opening.Opening, password: str, peer_address: str) -> None:  # noqa: ARG001
        await real(self, password, "192.0.2.1")

    monkeypatch.setattr(opening.Opening, "authenticate", elsewhere)
