"""Whatever a server says, a session ends in a defined way and in time (P6, B5, B12)."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator

import pytest
from tests.net.sessions import SECRET_FORMS, Text, envelope, opened

from postroom.net.session import Recorder, SessionFailed
from postroom.smtp.transcript import transcript
from postroom.terms.outcome import Outcome
from postroom.terms.server import Auth, Security

WORDS = (
    b"220 mx\r\n", b"220-mx\r\n220 mx\r\n", b"250 ok\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"250-", b"250",
    b"235 yes\r\n", b"334 \r\n", b"334 !\r\n",
    b"334 VXNlcm5hbWU6\r\n", b"354 go\r\n", b"421 bye\r\n", b"450 later\r\n", b"535 no\r\n", b"550 never\r\n",
    b"550-a\r\n250 b\r\n", b"\r\n", b"\0\xff", b"25", b"x" * 5000, b"\x16\x03\x01\x02\x00\x01",
    b"250 " + b"y" * 1500 + b"\r\n",
)
OFFER = b"250-mx\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n"
DUE = {
    b"EHLO": OFFER, b"AUTH": b"235 yes\r\n", b"MAIL": b"250 ok\r\n", b"RCPT": b"250 ok\r\n", b"DATA": b"354 go\r\n",
    b".": b"250 taken\r\n", b"RSET": b"250 ok\r\n", b"QUIT": b"221 bye\r\n",
}


@contextlib.asynccontextmanager
async def unreasonable(chance: random.Random) -> AsyncIterator[int]:
    """A server that mostly says what is due, and sometimes anything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(due: bytes) -> None:
            odd = b"".join(chance.choices(WORDS, k=chance.randint(0, 3)))
            writer.write(due if chance.random() < 0.9 else odd)

        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            say(b"220 mx\r\n")
            while chance.random() < 0.98 and (line := await reader.readline()):
                if due := DUE.get(line.strip().split(b" ")[0]):
                    say(due)
        if chance.random() < 0.3:
            writer.transport.abort()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("seed", range(60))
async def test_p6_a_session_with_anybody_ends_in_a_defined_way(seed: int) -> None:
    chance = random.Random(seed)
    recorder = Recorder()
    began = time.monotonic()
    async with unreasonable(chance) as port:
        security = chance.choice([Security.NONE, Security.NONE, Security.STARTTLS])
        auth = chance.choice(list(Auth))
        try:
            session = await opened(port, recorder, 0.3, security=security, auth=auth)
        except SessionFailed as failed:
            assert failed.reason  # noqa: PT017 - either end is a defined one
        else:
            for _ in range(2):
                results = await session.transact(envelope(2), Text())
                assert [result.recipient for result in results] == ["r1@example.com", "r2@example.com"]
                assert all(isinstance(result.outcome, Outcome) for result in results)
            await session.close()
    assert time.monotonic() - began < 8.0
    shown = repr(recorder.trace.events) + "".join(transcript(recorder.trace.events))
    assert len(shown) < 200_000
    assert not [secret for secret in SECRET_FORMS if secret in shown]
