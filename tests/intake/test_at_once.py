"""The short way of a small message that is here as a whole, over a real connection: what it takes, what it leaves."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import uvicorn
from asgiref.sync import sync_to_async
from uvicorn.server import ServerState

from postroom.asgi import Application
from postroom.cli.web_connection import WebConnection
from postroom.flow.acceptance.accept import Acceptor
from postroom.intake.exchange import Receive, Scope, Send
from postroom.intake.intake import BATCH, MESSAGES, Intake
from postroom.store.models import Message, SmtpServer
from postroom.store.queue import Enqueued
from postroom.store.writer import StorageBusy, StorageUnknown

HELLO = {"to": "ann@example.com", "subject": "Sales", "text": "Hello"}


async def no_django(*_: object) -> None:
    raise AssertionError("a request for the intake went to Django")


class Counting(Application):
    """Counts what went the long way."""

    calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        await super().__call__(scope, receive, send)


@dataclass
class Answer:
    status: int
    header: dict[str, str]
    body: Any


@dataclass
class Client:
    """A connection that says octets as it is told."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    token: str
    app: Counting

    def request(self, body: Any, path: str = MESSAGES, **header: str) -> bytes:
        octets = json.dumps(body).encode()
        fields = {
            "Host": "127.0.0.1", "Authorization": f"Bearer {self.token}", "Content-Type": "application/json",
            "Content-Length": str(len(octets)), **{name.replace("_", "-"): text for name, text in header.items()},
        }
        lines = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
        return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + octets

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await asyncio.sleep(0.02)

    async def hear(self) -> Answer:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode().split("\r\n")
        header = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        octets = await asyncio.wait_for(self.reader.readexactly(int(header["content-length"])), 10)
        return Answer(int(head[0].split()[1]), header, json.loads(octets))

    async def ask(self, body: Any, path: str = MESSAGES, **header: str) -> Answer:
        await self.say(self.request(body, path, **header))
        return await self.hear()


@pytest.fixture
async def client(intake: Intake, token: str, server: SmtpServer) -> AsyncIterator[Client]:
    """Connected, with token and servers read: the way of ASGI does that with the first message."""
    assert server.enabled
    app = Counting(intake, no_django)
    config = uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False, ws="none")
    config.load()
    connection = partial(WebConnection, config, ServerState(), {})
    listening = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname()[:2])
    with closing(listening), closing(writer):
        client = Client(reader, writer, token, app)
        assert (await client.ask(HELLO)).status == 202
        assert app.calls == 1
        yield client


async def test_a_small_message_needs_no_task_and_is_stored_when_it_is_answered(client: Client) -> None:
    answer = await client.ask({**HELLO, "subject": "Short"})
    assert (answer.status, client.app.calls) == (202, 1)
    message = await Message.objects.aget(pk=answer.body["id"])
    assert message.subject == "[R] Short"
    assert message.client_name == "Report server"


async def test_both_ways_answer_alike(client: Client) -> None:
    short = await client.ask(HELLO)
    octets = client.request(HELLO)
    await client.say(octets[:-5], octets[-5:])
    long = await client.hear()
    assert client.app.calls == 2
    for answer in (short, long):
        answer.header.pop("date", "")
    assert (short.status, short.header) == (long.status, long.header)
    assert short.body.keys() == long.body.keys()


async def test_a_key_that_is_used_again_is_answered_as_before_and_with_another_body_refused(client: Client) -> None:
    first = await client.ask(HELLO, Idempotency_Key="k")
    assert (await client.ask(HELLO, Idempotency_Key="k")).body == first.body
    refused = await client.ask({**HELLO, "text": "Other"}, Idempotency_Key="k")
    assert (refused.status, refused.body["type"].rpartition("problem-")[2]) == (409, "idempotency-conflict")
    assert (await client.ask(HELLO)).status == 202, "the connection goes on"
    assert client.app.calls == 1
    assert await Message.objects.filter(subject__contains="Sales").acount() == 3


async def test_requests_that_come_together_are_answered_in_their_order(client: Client) -> None:
    bodies = [{**HELLO, "subject": f"Number {n}"} for n in range(5)]
    await client.say(b"".join(map(client.request, bodies)))
    answers = [await client.hear() for _ in bodies]
    ids = [answer.body["id"] for answer in answers]
    subjects = {m.pk: m.subject async for m in Message.objects.filter(pk__in=ids)}
    assert [subjects[id_] for id_ in ids] == [f"[R] {body['subject']}" for body in bodies]


async def test_a_connection_that_is_to_be_closed_is_closed_after_the_answer(client: Client) -> None:
    answer = await client.ask(HELLO, Connection="close")
    assert (answer.status, answer.header["connection"]) == (202, "close")
    assert await client.reader.read() == b""
    assert client.app.calls == 1


@pytest.mark.parametrize(
    ("header", "body", "status"),
    [
        ({"Authorization": "Bearer pr_" + "x" * 43}, HELLO, 401),
        ({"Authorization": ""}, HELLO, 401),
        ({"Host": "other.example"}, HELLO, 400),
        ({"Content_Type": "text/plain"}, HELLO, 415),
        ({"Idempotency_Key": "é" * 3}, HELLO, 422),
        ({}, {**HELLO, "to": "nobody"}, 422),
        ({}, {**HELLO, "text": 1}, 422),
        ({}, [HELLO], 422),
        ({}, {**HELLO, "server": "No such server"}, 422),
    ],
)
async def test_what_is_refused_is_refused_by_the_long_way(
    client: Client, header: dict[str, str], body: Any, status: int
) -> None:
    answer = await client.ask(body, **header)
    assert (answer.status, client.app.calls) == (status, 2)
    assert await Message.objects.acount() == 1


async def test_what_is_more_than_a_small_message_goes_the_long_way(client: Client) -> None:
    answer = await client.ask({"messages": [HELLO, HELLO]}, BATCH)
    assert (answer.status, len(answer.body["messages"])) == (202, 2)
    assert (await client.ask({**HELLO, "text": "x" * 70_000})).status == 202
    assert client.app.calls == 3


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (StorageUnknown("the database did not confirm the commit"), 503, "storage-unknown"),
        (StorageBusy("locked"), 503, "storage-busy"),
        (RuntimeError("a fault of ours"), 500, "fault"),
    ],
)
async def test_d1_a_commit_that_failed_is_no_yes(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, slug: str
) -> None:
    async def failing() -> Enqueued:
        raise error

    monkeypatch.setattr(Acceptor, "accepted_at_once", lambda *_: asyncio.ensure_future(failing()))
    answer = await client.ask(HELLO)
    assert (answer.status, answer.body["type"].rpartition("problem-")[2]) == (status, slug)
    assert client.app.calls == 1, "what may be stored is not handed in again"


async def test_a_client_that_leaves_before_the_commit_harms_nobody(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    stored: Sequence[asyncio.Future[Enqueued]] = [asyncio.get_running_loop().create_future()]
    monkeypatch.setattr(Acceptor, "accepted_at_once", lambda *_: stored[0])
    await client.say(client.request(HELLO))
    client.writer.transport.abort()
    await asyncio.sleep(0.05)
    stored[0].set_result(Enqueued("01", ()))
    await asyncio.sleep(0.05)
    assert faults == []
    assert await sync_to_async(Message.objects.count)() == 1


async def test_nothing_is_written_to_a_connection_that_was_closed_for_what_came_behind(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvicorn tells only the last request of a connection that it is lost, and uvloop raises for whoever writes."""
    stored: asyncio.Future[Enqueued] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(Acceptor, "accepted_at_once", lambda *_: stored)
    written: list[int] = []
    monkeypatch.setattr(WebConnection, "_write", lambda _, __, status, *___: written.append(status))
    await client.say(client.request(HELLO), client.request(HELLO) + b"\0 HTTP\r\n\r\n")
    assert b" 400 " in await client.reader.readline()
    stored.set_result(Enqueued("01", ()))
    await asyncio.sleep(0.05)
    assert written == []
