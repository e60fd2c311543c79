"""Servers that answer what they have not read: they are not believed, and nothing piles up for them (B5, U1)."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
import uvloop
from tests.net.conftest import Certificates
from tests.net.runs import Load, shipments
from tests.net.sessions import Text, envelope, opened

from postroom.net.cargo import Ended, Shipment
from postroom.net.carriage import CHUNK_BYTES
from postroom.net.connection import Connection
from postroom.net.session import Recorder, Session
from postroom.policy.manners import Manners, Pipelining
from postroom.terms.server import Security

LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
Run = Callable[[Coroutine[Any, Any, None]], None]
# What a system takes although the peer reads nothing, with the small buffers of these tests, and where asyncio says
# that a connection is full.
SYSTEM_BYTES, FULL_BYTES = 65_536, 65_536
SMALL = Text(b"x" * 98 + b"\r\n", 600)
GRANTED = b"250 ok\r\n250 ok\r\n354 go\r\n"


class Unread(asyncio.Protocol):
    """Reads EHLO, and then nothing before it is to `read`; from then on all up to a final dot, which it takes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._heard = bytearray()
        self.transport.write(b"220 mx\r\n")

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"EHLO"):
            self.transport.write(b"250-mx\r\n250 PIPELINING\r\n")
            self.transport.pause_reading()
            return
        self._heard += data
        if self._heard.endswith(b"\r\n.\r\n"):
            self.transport.write(b"250 taken\r\n")

    def say(self, octets: bytes) -> None:
        """Once everybody else has run."""
        asyncio.get_running_loop().call_soon(self.transport.write, octets)

    def read(self) -> None:
        self.transport.resume_reading()


class Answered(Load):
    """Whose server says `alone` to an envelope, and `overlapped` to a content with the next envelope behind it."""

    def __init__(self, loaded: list[Shipment], alone: bytes = GRANTED, overlapped: bytes = b"") -> None:
        super().__init__(loaded, Manners(proven=set(Pipelining)))
        self.alone, self.overlapped, self.after_end = alone, overlapped, b""
        self.server = Unread()
        self.most_unsent = 0

    def attach(self, connection: Connection) -> None:
        self._connection = connection

    def next(self, *, overlapped: bool) -> Shipment | None:
        assert self._connection._transport is not None
        self.most_unsent = max(self.most_unsent, self._connection._transport.get_write_buffer_size())
        shipment = super().next(overlapped=overlapped)
        if shipment is not None:
            self.server.say(self.overlapped if overlapped else self.alone)
        return shipment

    def ended(self, shipment: Shipment, ended: Ended) -> None:
        super().ended(shipment, ended)
        self.server.say(self.after_end)


async def carried(load: Answered, timeout_s: float = 10.0) -> Session:
    """One session with small buffers at both ends."""
    listener = small_listener()
    server = await asyncio.get_running_loop().create_server(lambda: load.server, sock=listener)
    session = await opened(listener.getsockname()[1], Recorder(), timeout_s)
    connection = session._dialogue.connection
    connection._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    load.attach(connection)
    await load.over(session)
    server.close()
    return session


def small_listener() -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # with larger pieces such buffers are slow
    listener.bind(("127.0.0.1", 0))
    return listener


@LOOPS
def test_b5_u1_a_content_that_is_taken_before_it_has_left_is_uncertain_and_the_session_over(run: Run) -> None:
    load = Answered(shipments(40, content=SMALL), overlapped=b"250 taken\r\n" + GRANTED)

    async def scene() -> None:
        assert not (await carried(load)).is_usable

    run(scene())
    sent = load.outcomes().count("sent")
    assert sent * SMALL.size_bytes <= SYSTEM_BYTES, "what counts as sent has left"
    assert load.outcomes()[sent:] == ["uncertain", *["-"] * (39 - sent)]
    assert "answered before" in load.results[sent][0].reason
    assert [number for number, _ in load.returned] == [sent + 1]
    assert load.most_unsent <= 2 * CHUNK_BYTES


@LOOPS
@pytest.mark.parametrize(("reply", "outcome"), [(b"552 5.3.4 too much\r\n", "failed"), (b"451 later\r\n", "deferred"),
                                                (b"421 bye\r\n", "deferred")])
def test_a_content_that_is_refused_before_it_has_left_was_not_taken_and_the_session_is_over(
    reply: bytes, outcome: str, run: Run
) -> None:
    load = Answered(shipments(3, content=SMALL), overlapped=reply + GRANTED)

    async def scene() -> None:
        assert not (await carried(load)).is_usable

    run(scene())
    assert load.outcomes() == [outcome, "-", "-"]
    assert load.results[0][0].reply is not None
    assert [number for number, _ in load.returned] == [1]


def long_envelope(recipients: int) -> Shipment:
    paths = tuple(f"{number:063}@{'d' * 60}.{'e' * 60}.example" for number in range(recipients))
    made = envelope()
    return Shipment(type(made)(made.reverse_path, paths, SMALL.size_bytes), SMALL)


@LOOPS
@pytest.mark.parametrize(("reads", "outcome"), [(False, "deferred"), (True, "sent")])
def test_b5_content_waits_until_a_long_envelope_was_taken(reads: bool, outcome: str, run: Run) -> None:
    recipients = 1_000
    load = Answered([long_envelope(recipients)], alone=b"250 ok\r\n" * (recipients + 1) + b"354 go\r\n")

    async def scene() -> None:
        if reads:
            asyncio.get_running_loop().call_later(0.3, load.server.read)
        await carried(load, 10.0 if reads else 0.5)

    run(scene())
    assert load.outcomes() == ["+".join([outcome] * recipients)]
    assert load.results[0][0].reason == ("" if reads else "the server took nothing more within 0.5 s")


@LOOPS
def test_b5_envelopes_that_are_refused_unread_do_not_pile_up(run: Run) -> None:
    recipients, count = 20, 400
    refused = b"250 ok\r\n" + b"550 no\r\n" * recipients + b"503 no\r\n"
    load = Answered([long_envelope(recipients) for _ in range(count)], alone=refused)
    load.after_end = b"250 ok\r\n"

    async def scene() -> None:
        await carried(load, 0.5)

    run(scene())
    assert len(load.results) < count
    assert load.most_unsent <= FULL_BYTES + 8_192


class Slow(asyncio.Protocol):
    """Answers a content as soon as its end was read, and reads on later: the envelope behind it is not yet here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._heard = b""
        self._in_content = False
        self.transport.write(b"220 mx\r\n")

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(ending := b"\r\n.\r\n" if self._in_content else b"\r\n")) >= 0:
            line, self._heard = self._heard[:end], self._heard[end + len(ending):]
            if self._in_content:
                self.transport.pause_reading()
                asyncio.get_running_loop().call_later(0.03, self.transport.resume_reading)
                self.transport.write(b"250 taken\r\n")
            elif line.startswith(b"EHLO"):
                self.transport.write(b"250-mx\r\n250 PIPELINING\r\n")
            else:
                self.transport.write(b"354 go\r\n" if line == b"DATA" else b"250 ok\r\n")
            self._in_content = line == b"DATA" and not self._in_content


class Measured(Load):
    """Knows what was still with us when a message was taken."""

    unsent: list[int]

    def attach(self, connection: Connection) -> None:
        self._connection, self.unsent = connection, []

    def ended(self, shipment: Shipment, ended: Ended) -> None:
        super().ended(shipment, ended)
        self.unsent.append(self._connection.unsent_bytes)


@LOOPS
@pytest.mark.parametrize("security", [Security.NONE, Security.TLS])
def test_a_slow_server_that_answers_as_soon_as_it_has_read_is_believed(
    security: Security, certificates: Certificates, run: Run
) -> None:
    load = Measured([long_envelope(count) for count in (1, 200, 2, 90, 1, 400)], Manners(proven=set(Pipelining)))

    async def scene() -> None:
        context = None if security is Security.NONE else certificates.server()
        listener = small_listener()
        server = await asyncio.get_running_loop().create_server(Slow, sock=listener, ssl=context)
        port = listener.getsockname()[1]
        session = await opened(port, Recorder(), security=security, ca_pem=certificates.pem)
        connection = session._dialogue.connection
        connection._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        load.attach(connection)
        await load.over(session)
        await session.close()
        server.close()

    run(scene())
    assert set("+".join(load.outcomes()).split("+")) == {"sent"}
    assert load.returned == []
    assert max(load.unsent) > 10_000, "an envelope was still with us when the content before it had been taken"
