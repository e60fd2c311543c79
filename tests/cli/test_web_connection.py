"""Bounds of a connection of the web process, over real sockets: its heads, its silence, and how many there are."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from postroom.cli import bounded_connection
from postroom.cli.bounded_connection import HEAD_BYTES, HEAD_FIELDS, connections_for
from postroom.cli.web_connection import WebConnection

REQUEST = b"GET /%b HTTP/1.1\r\nhost: x\r\n"


class Door:
    """Answers each request with its path and what `parts` are, once `may_answer` is set; keeps the last header."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.header: list[tuple[bytes, bytes]] = []

    def taken_at_once(self, *_: Any) -> None:
        return None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (event := await receive()).get("more_body"):
            pass
        if event["type"] == "http.disconnect":
            return
        await self.may_answer.wait()
        self.header = list(scope["headers"])
        path = scope["path"].encode()
        length = (b"content-length", b"%d" % (len(path) + sum(map(len, self.parts))))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        for part in (path, *self.parts):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def hear(self) -> bytes:
        """Status and body of the next answer, b"" where the connection is closed."""
        try:
            head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return head.split()[1] + b" " + await asyncio.wait_for(self.reader.readexactly(size), 5)


class Opened:
    def __init__(self, door: Door, port: int, state: ServerState) -> None:
        self.door, self.state, self._port = door, state, port
        self._clients = contextlib.ExitStack()

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port))
        self._clients.callback(client.writer.close)
        return client

    async def reader(self, octets: bytes) -> socket.socket:
        """A client that says this, with little room for what it does not read."""
        reader = self._clients.enter_context(contextlib.closing(socket.socket()))
        reader.setblocking(False)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        await asyncio.get_running_loop().sock_connect(reader, ("127.0.0.1", self._port))
        await asyncio.get_running_loop().sock_sendall(reader, octets)
        return reader

    async def is_empty(self) -> bool:
        """Whether nobody is connected any more, after some time."""
        for _ in range(500):
            if not self.state.connections and not self.state.tasks:
                return True
            await asyncio.sleep(0.01)
        return False

    def close(self) -> None:
        self._clients.close()


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    door = Door()
    config = uvicorn.Config(door, log_config=None, access_log=False, proxy_headers=False, ws="none")
    config.load()
    state = ServerState()
    connection = partial(WebConnection, config, state, {})
    listening = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    opened = Opened(door, listening.sockets[0].getsockname()[1], state)
    with contextlib.closing(listening), contextlib.closing(opened):
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_connection, "HEAD_S", 0.3)


def head(path: bytes = b"", more_bytes: int = 0, fields: int = 0) -> bytes:
    large = b"x-large: " + b"x" * more_bytes + b"\r\n" if more_bytes else b""
    return REQUEST % path + large + b"a: b\r\n" * fields + b"\r\n"


async def test_b6_a_head_as_large_as_may_be_is_read(opened: Opened) -> None:
    client = await opened.client()
    for octets in (head(more_bytes=HEAD_BYTES - 100), head(fields=HEAD_FIELDS - 1)):
        client.say(octets)
        assert await client.hear() == b"200 /"


@pytest.mark.parametrize("octets", [
    head(more_bytes=HEAD_BYTES), head(b"x" * HEAD_BYTES), head(fields=HEAD_FIELDS), REQUEST % b"" + b"a: b\r\n" * 9_000,
    REQUEST % b"" + b"x-endless: " + b"x" * 300_000, b"GET /" + b"x" * 300_000, REQUEST % b"" + b"x" * 300_000,
    (REQUEST % b"").replace(b"GET", b"POST") + b"transfer-encoding: chunked\r\n\r\n0\r\nx-endless: " + b"x" * 300_000,
], ids=["value", "address", "fields", "fields without end", "value without end", "address without end",
        "name without end", "trailer without end"])
@pytest.mark.parametrize("piece_bytes", [1_000_000, 10_000])
async def test_b6_a_head_beyond_its_bounds_is_refused(opened: Opened, octets: bytes, piece_bytes: int) -> None:
    client = await opened.client()
    for start in range(0, len(octets), piece_bytes):
        client.say(octets[start : start + piece_bytes])
        await asyncio.sleep(0.001)
    # Whoever still sends when the connection is closed may hear nothing.
    assert (await client.hear())[:4] in (b"431 ", b"")
    assert await client.hear() == b""


async def test_b6_whoever_sends_no_more_hears_why(opened: Opened) -> None:
    client = await opened.client()
    client.say(head(fields=HEAD_FIELDS))
    assert (await client.hear())[:4] == b"431 "
    client = await opened.client()
    client.say(head(more_bytes=HEAD_BYTES))
    assert (await client.hear())[:4] == b"431 "


@pytest.mark.parametrize("second", [head(more_bytes=HEAD_BYTES), head(fields=HEAD_FIELDS)], ids=["value", "fields"])
async def test_b6_a_pipelined_head_has_the_same_bounds_and_the_first_is_answered(
    opened: Opened, second: bytes
) -> None:
    client = await opened.client()
    opened.door.may_answer.clear()
    client.say(head(b"first") + second)
    await asyncio.sleep(0.2)
    opened.door.may_answer.set()
    assert await client.hear() == b"200 /first"
    assert await client.hear() == b""


async def test_b6_pipelined_heads_are_counted_each_for_itself(opened: Opened) -> None:
    client = await opened.client()
    client.say(b"".join(head(b"%d" % n, HEAD_BYTES // 2) for n in range(8)))
    assert [await client.hear() for _ in range(8)] == [b"200 /%d" % n for n in range(8)]


async def test_b6_a_body_is_no_head_however_it_comes(opened: Opened) -> None:
    client = await opened.client()
    post = b"POST / HTTP/1.1\r\nhost: x\r\n"
    client.say(post + b"content-length: 500000\r\n\r\n" + b"x" * 500_000 + head(b"next"))
    assert [await client.hear(), await client.hear()] == [b"200 /", b"200 /next"]
    client.say(post + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n" + head(b"next"))
    assert [await client.hear(), await client.hear()] == [b"200 /", b"200 /next"]


async def test_a_trailer_is_no_field_of_the_header(opened: Opened) -> None:
    client = await opened.client()
    client.say(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nauthorization: Bearer x\r\n\r\n")
    assert await client.hear() == b"200 /"
    assert b"authorization" not in dict(opened.door.header)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("is_first", [True, False], ids=["at first", "later"])
@pytest.mark.parametrize(("begun", "drop"), [(b"", b"\r\n"), (b"GET /", b""), (b"GET /", b"x")],
                         ids=["empty lines", "half a head", "a drop at a time"])
async def test_b6_a_head_is_not_waited_for_for_ever(opened: Opened, is_first: bool, begun: bytes, drop: bytes) -> None:
    client = await opened.client()
    if not is_first:
        client.say(head(b"first"))
        assert await client.hear() == b"200 /first"
    client.say(begun)
    hearing = asyncio.ensure_future(client.hear())
    for _ in range(40):
        if hearing.done():
            break
        client.say(drop)
        await asyncio.sleep(0.05)
    assert await asyncio.wait_for(hearing, 1) == b""


@pytest.mark.usefixtures("impatient")
async def test_b6_whoever_says_nothing_does_not_stay(opened: Opened) -> None:
    assert await asyncio.wait_for((await opened.client()).hear(), 4) == b""


@pytest.mark.usefixtures("impatient")
async def test_b6_the_time_that_an_answer_takes_is_not_the_clients(opened: Opened) -> None:
    client = await opened.client()
    for path in (b"one", b"two"):
        opened.door.may_answer.clear()
        client.say(head(path))
        await asyncio.sleep(0.8)
        opened.door.may_answer.set()
        assert await client.hear() == b"200 /" + path


LARGE_BYTES = 8_000_000


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("field", [b"", b"connection: close\r\n"], ids=["kept", "closed"])
@pytest.mark.parametrize("count", [1, 400], ids=["whole", "in parts"])
async def test_b15_whoever_reads_nothing_of_an_answer_does_not_stay(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, field: bytes, count: int
) -> None:
    monkeypatch.setattr(bounded_connection, "UNREAD_S", 0.5, raising=False)
    opened.door.parts = [b"x" * (LARGE_BYTES // count)] * count
    await opened.reader(REQUEST % b"" + field + b"\r\n")
    await asyncio.sleep(0.1)
    assert opened.state.connections
    assert await opened.is_empty()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("count", [1, 400], ids=["whole", "in parts"])
async def test_whoever_reads_an_answer_slowly_gets_all_of_it(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(bounded_connection, "UNREAD_S", 1.0, raising=False)
    opened.door.parts = [b"x" * (LARGE_BYTES // count)] * count
    reader = await opened.reader(REQUEST % b"" + b"connection: close\r\n\r\n")
    read_bytes = pause_bytes = 0
    while octets := await asyncio.get_running_loop().sock_recv(reader, 65_536):
        read_bytes += len(octets)
        if read_bytes >= pause_bytes:
            pause_bytes += LARGE_BYTES // 40
            await asyncio.sleep(0.06)
    assert read_bytes > LARGE_BYTES
    assert await opened.is_empty()


async def test_b15_beyond_the_cap_a_connection_is_refused_and_later_ones_are_served(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_connection, "most_connections", lambda: 3)
    clients = [await opened.client() for _ in range(3)]
    late = await opened.client()
    assert (await late.hear())[:4] == b"503 "
    assert await late.hear() == b""
    clients[0].say(head())
    assert await clients[0].hear() == b"200 /"
    clients[1].writer.close()
    await clients[1].writer.wait_closed()
    await asyncio.sleep(0.05)
    again = await opened.client()
    again.say(head())
    assert await again.hear() == b"200 /"


@pytest.mark.parametrize(("descriptors", "connections"), [(64, 8), (1_024, 480), (4_096, 2_016), (1_000_000, 10_000)])
def test_b15_half_of_the_descriptors_stay_for_files_and_the_database(descriptors: int, connections: int) -> None:
    assert connections_for(descriptors) == connections
