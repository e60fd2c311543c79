"""Connections of clients that are not trusted: let in or not, in time or not, encrypted, and ended in good order."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postroom.net.incoming import Incoming, Pace, is_loopback
from postroom.net.listening import Caps, Listened, Listening, network_of
from postroom.net.server_tls import server_context
from postroom.smtp.server import replies
from postroom.smtp.server.envelope import ReceivedEnvelope
from postroom.smtp.server.profile import Profile
from postroom.store.own_certificate import own_certificate

PROFILE = Profile("mx.example")
EASY = Pace()
MESSAGE = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"


class Keeping:
    """Keeps every message; answers when `may_answer` is set."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.dropped = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.tasks: set[asyncio.Task[None]] = set()

    def receiver(self, incoming: Incoming) -> "Receiver":
        return Receiver(self, incoming)


class Receiver:
    def __init__(self, keeping: Keeping, incoming: Incoming) -> None:
        self._keeping, self._incoming = keeping, incoming
        self._parts: list[bytes] = []

    def sender_refusal(self, reverse_path: str, size_bytes: int) -> bytes:
        del reverse_path, size_bytes
        return b""

    def recipient_refusal(self, forward_path: str) -> bytes:
        del forward_path
        return b""

    def sign_in(self, username: str, password: str) -> None:
        del username
        if password == "good":
            self._incoming.signed_in()
        else:
            self._incoming.sign_in_refused(replies.SIGN_IN_REFUSED)

    def begin(self, envelope: ReceivedEnvelope) -> None:
        del envelope
        self._parts = []

    def take(self, octets: bytes) -> None:
        self._parts.append(octets)

    def drop(self) -> None:
        self._keeping.dropped += 1

    def end(self) -> None:
        self._keeping.messages.append(b"".join(self._parts))
        task = asyncio.ensure_future(self._answer())
        self._keeping.tasks.add(task)

    async def _answer(self) -> None:
        await self._keeping.may_answer.wait()
        self._incoming.answer(replies.OK)


class Opened:
    """A listener on loopback, and what a test asks of it."""

    def __init__(self, listening: Listening, keeping: Keeping, port: int) -> None:
        self.listening, self.keeping, self.port = listening, keeping, port

    async def client(self, **options: Any) -> "Client":
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, **options))
        return client


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def line(self) -> str:
        async with asyncio.timeout(10):
            return (await self.reader.readline()).decode()

    async def reply(self) -> str:
        """The last line of the next reply, "" at the end of the connection."""
        while (line := await self.line())[3:4] == "-":
            pass
        return line.strip()

    async def say(self, octets: bytes, count: int = 1) -> list[str]:
        self.writer.write(octets)
        return [await self.reply() for _ in range(count)]

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def opened(pace: Pace = EASY, *, caps: Caps | None = None, folder: Path | None = None, tls: bool = False,
                 profile: Profile = PROFILE) -> AsyncIterator[Opened]:
    import socket

    keeping = Keeping()
    context = server_context(*own_certificate(folder, "mx.example")) if folder else None
    listening = Listening(
        profile, keeping.receiver, tls=context, takes_sign_in=True, pace=pace, caps=caps, rounds_s=0.2
    )
    sock = socket.create_server(("127.0.0.1", 0))
    await listening.start([Listened(sock, tls)])
    try:
        yield Opened(listening, keeping, int(sock.getsockname()[1]))
    finally:
        await listening.stop(0.2)


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


def trusting(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context


async def test_b1_beyond_the_cap_of_an_address_421_is_heard_and_others_go_on() -> None:
    async with opened(caps=Caps(per_address=3)) as door:
        clients = [await door.client() for _ in range(3)]
        assert [(await client.reply())[:3] for client in clients] == ["220"] * 3
        refused = await door.client()
        assert (await refused.reply())[:9] == "421 4.7.0"
        assert await refused.reply() == ""
        other = await door.client(local_addr=("127.0.0.2", 0))
        assert (await other.reply())[:3] == "220"
        await clients[0].close()
        await asyncio.sleep(0.05)
        assert (await (await door.client()).reply())[:3] == "220"


async def test_b1_a_full_house_says_so() -> None:
    async with opened(caps=Caps(connections=1)) as door:
        first, second = await door.client(), await door.client()
        assert [(await client.reply())[:9] for client in (second, first)] == ["421 4.3.2", "220 mx.ex"]
        assert door.listening.connections == 1


@pytest.mark.parametrize(("pace", "said", "dripped"), [
    (Pace(command_s=0.5), b"EHLO x\r\n", b"N"),
    (Pace(content_grace_s=0.5, content_rate=1_000), MESSAGE, b"x"),
    (Pace(content_grace_s=0.5, content_rate=1_000), MESSAGE.replace(b"DATA\r\n", b"BDAT 99999\r\n"), b"x"),
], ids=["a command", "content", "a chunk"])
async def test_b2_whoever_drips_is_told_and_closed(pace: Pace, said: bytes, dripped: bytes) -> None:
    async with opened(pace) as door:
        client = await door.client()
        await client.reply()
        await client.say(said, 1 + 2 * (b"MAIL" in said) + (b"DATA" in said))
        begun = asyncio.get_running_loop().time()
        while not client.reader.at_eof() and asyncio.get_running_loop().time() < begun + 5:
            client.writer.write(dripped)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    assert (await client.reader.readline())[:9] == b"421 4.4.2"
                    break
        assert asyncio.get_running_loop().time() < begun + 4
        assert door.keeping.messages == []
        assert door.keeping.dropped == (b"MAIL" in said)


async def test_b2_content_that_comes_fast_enough_is_not_cut_off_however_long_it_lasts() -> None:
    async with opened(Pace(content_grace_s=0.3, content_rate=1_000, command_s=0.3)) as door:
        client = await door.client()
        await client.reply()
        await client.say(MESSAGE, 4)
        for _ in range(10):
            client.writer.write(b"x" * 198 + b"\r\n")
            await asyncio.sleep(0.1)
        assert (await client.say(b".\r\n"))[0][:3] == "250"
        assert len(door.keeping.messages[0]) == 2_000


async def test_b2_the_time_that_a_client_waits_for_us_is_not_counted() -> None:
    async with opened(Pace(command_s=0.5)) as door:
        door.keeping.may_answer.clear()
        client = await door.client()
        await client.reply()
        await client.say(MESSAGE, 4)
        client.writer.write(b"slow disk\r\n.\r\n")
        await asyncio.sleep(1.5)
        door.keeping.may_answer.set()
        assert (await client.reply())[:3] == "250"
        assert (await client.say(b"NOOP\r\n"))[0][:3] == "250"


async def test_b3_a_session_ends_when_it_has_lasted_long_enough() -> None:
    async with opened(Pace(session_s=0.5)) as door:
        client = await door.client()
        await client.reply()
        for _ in range(50):
            if (await client.say(b"NOOP\r\n"))[0][:3] == "421":
                break
            await asyncio.sleep(0.1)
        assert await client.reply() == ""


async def test_a_tls_handshake_that_does_not_end_ends_the_connection(tmp_path: Path) -> None:
    async with opened(Pace(handshake_s=0.3), folder=tmp_path, tls=True) as door:
        client = await door.client()
        async with asyncio.timeout(5):
            assert await client.reader.read() == b""


async def test_u3_what_was_ended_is_kept_although_the_client_has_gone() -> None:
    async with opened() as door:
        door.keeping.may_answer.clear()
        for verb in (b"DATA\r\nkept\r\n.\r\n", b"BDAT 6 LAST\r\nkept\r\n"):
            client = await door.client()
            client.writer.write(MESSAGE.replace(b"DATA\r\n", verb))
            await asyncio.sleep(0.1)
            client.writer.transport.abort()
            await asyncio.sleep(0.1)
        door.keeping.may_answer.set()
        assert (door.keeping.messages, door.keeping.dropped) == ([b"kept\r\n"] * 2, 0)
        await asyncio.wait(door.keeping.tasks)


async def test_content_that_is_cut_off_is_dropped() -> None:
    async with opened() as door:
        for verb in (b"DATA\r\nhalf", b"BDAT 6\r\nhal"):
            client = await door.client()
            client.writer.write(MESSAGE.replace(b"DATA\r\n", verb))
            await asyncio.sleep(0.1)
            await client.close()
        await asyncio.sleep(0.1)
        assert (door.keeping.messages, door.keeping.dropped) == ([], 2)


async def test_what_is_sent_while_an_answer_is_due_waits_for_it_in_bounded_memory() -> None:
    async with opened() as door:
        door.keeping.may_answer.clear()
        client = await door.client()
        await client.reply()
        client.writer.write(MESSAGE + b"one\r\n.\r\n" + b"NOOP\r\n" * 90)
        for _ in range(200):
            client.writer.write(b"x" * 100_000)
        await asyncio.sleep(0.3)
        [incoming] = door.listening._connections
        assert incoming._session.held_bytes < 1_000_000
        door.keeping.may_answer.set()
        heard = [await client.reply() for _ in range(95)]
        assert [line[:3] for line in heard] == ["250", "250", "250", "354", *["250"] * 91]


@VERSIONS
async def test_starttls_encrypts_and_plain_text_behind_it_ends_the_session(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with opened(folder=tmp_path) as door:
        client = await door.client()
        await client.reply()
        await client.say(b"EHLO x\r\n")
        assert (await client.say(b"STARTTLS\r\n"))[0][:3] == "220"
        await client.writer.start_tls(trusting(version), ssl_handshake_timeout=5)
        assert (await client.say(b"MAIL FROM:<>\r\n"))[0][:3] == "503"
        assert (await client.say(MESSAGE + b"safe\r\n.\r\n", 5))[-1][:3] == "250"
        assert door.keeping.messages == [b"safe\r\n"]
        plain = await door.client()
        await plain.reply()
        assert (await plain.say(b"STARTTLS\r\n"))[0][:3] == "220"
        plain.writer.write(b"EHLO x\r\n")
        assert b"250" not in await plain.reader.read()


async def test_p4_what_is_injected_behind_starttls_ends_the_session(tmp_path: Path) -> None:
    async with opened(folder=tmp_path) as door:
        client = await door.client()
        await client.reply()
        assert (await client.say(b"STARTTLS\r\nMAIL FROM:<a@b.example>\r\n"))[0][:3] == "554"
        assert await client.reply() == ""


@VERSIONS
async def test_tls_from_the_first_octet_greets_inside(tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with opened(folder=tmp_path, tls=True) as door:
        client = await door.client(ssl=trusting(version), ssl_handshake_timeout=5)
        assert (await client.reply())[:3] == "220"
        assert (await client.say(MESSAGE + b"safe\r\n.\r\n", 5))[-1][:3] == "250"


async def test_d12_a_stop_ends_idle_sessions_at_once_and_lets_a_message_finish() -> None:
    async with opened() as door:
        idle = [await door.client() for _ in range(20)]
        busy = await door.client()
        for client in (*idle, busy):
            await client.reply()
        await busy.say(MESSAGE + b"almost\r\n", 4)
        stopping = asyncio.ensure_future(door.listening.stop(5))
        assert {(await client.reply())[:3] for client in idle} == {"421"}
        with pytest.raises(ConnectionRefusedError):
            await door.client()
        assert (await busy.say(b".\r\n"))[0][:3] == "250"
        await asyncio.wait_for(stopping, 3)
        assert (door.keeping.messages, door.listening.connections) == ([b"almost\r\n"], 0)


async def test_a_client_that_reads_no_replies_is_not_read_from() -> None:
    async with opened(Pace(command_s=1), profile=replace(PROFILE, idle_commands=10_000_000)) as door:
        client = await door.client()
        await client.reply()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(b"HELP\r\n" * 2_000_000)
        await asyncio.wait_for(door.listening._emptied.wait(), 20)


@pytest.mark.parametrize(("address", "network"), [
    ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"), ("2001:db8::ffff:2", "2001:db8::/64"),
    ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::/64"), ("", ""),
])
def test_a_client_is_an_ipv4_address_or_an_ipv6_network(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(("address", "is_own"), [
    ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False),
    ("", False),
])
def test_loopback_is_this_machine(address: str, is_own: bool) -> None:
    assert is_loopback(address) is is_own
