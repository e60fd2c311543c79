"""A POST to a webhook, against receivers that are slow, endless, broken, or somewhere they should not be."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.net.conftest import Certificates

from postroom.net import webhook_post
from postroom.net.webhook_post import Answer, PostFault, post
from postroom.policy.fetch_networks import FetchNetworks
from postroom.smtp.trace import NameResolved

Said = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = FetchNetworks.parse("127.0.0.0/8")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def saying(octets: bytes, *, then: float = 0.0) -> Said:
    async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(octets)
        await asyncio.sleep(then)

    return said


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not writer.is_closing():
        writer.write(b"y")
        await asyncio.sleep(0.02)


async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Plain text here\r\n\r\n")


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 99999999999\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65_536)
        await writer.drain()


@asynccontextmanager
async def receiving(said: Said, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await said(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def answered(said: Said, *, networks: FetchNetworks = LOOPBACK, timeout_s: float = 3.0) -> Answer:
    async with receiving(said) as port:
        return await post(f"http://127.0.0.1:{port}/x?y=1", {"Webhook-Id": "1"}, b"{}", timeout_s=timeout_s,
                          allowed=networks.may_fetch)


async def test_an_answer_is_its_status_and_the_beginning_of_what_it_says() -> None:
    assert await answered(saying(HEAD)) == Answer(200, "ok", None)


async def test_a_request_is_whole_and_names_its_host() -> None:
    taken = bytearray()

    async def keeping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.extend(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
        writer.write(HEAD)

    async with receiving(keeping) as port:
        await post(f"http://127.0.0.1:{port}/x?y=1", {"Webhook-Id": "1"}, b"{}", timeout_s=3.0,
                   allowed=LOOPBACK.may_fetch)
    assert bytes(taken).decode().split("\r\n") == [
        "POST /x?y=1 HTTP/1.1", f"Host: 127.0.0.1:{port}", "User-Agent: Postroom", "Accept: */*", "Connection: close",
        "Content-Type: application/json", "Content-Length: 2", "Webhook-Id: 1", "", "{}",
    ]


async def test_what_a_receiver_asks_for_is_read() -> None:
    late = b"HTTP/1.1 503 Later\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"
    assert (await answered(saying(late))).retry_after_s == 120.0
    assert (await answered(saying(late.replace(b"120", b"Fri, 31 Dec")))).retry_after_s is None


async def test_control_characters_of_an_answer_are_escaped() -> None:
    said = (await answered(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\x1b[1m\x00a"))).said
    assert said.isprintable()


async def test_an_answer_with_a_body_that_has_none_counts() -> None:
    assert (await answered(saying(b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok"))).status == 204


async def test_an_endless_answer_is_cut() -> None:
    answer = await answered(endless)
    assert (answer.status, len(answer.said)) == (500, webhook_post.SAID_CHARACTERS)


@pytest.mark.parametrize(("said", "text"), [
    (dripping, "did not answer within 0.5 s"),
    (saying(b"", then=5.0), "did not answer within 0.5 s"),
    (saying(b""), "broke off"),
    (saying(b"HTTP/1.1 200 OK\r\nX-"), "broke off"),
    (saying(b"220 smtp.example.com ESMTP\r\n"), "broke off"),
    (saying(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000), "broke off"),
])
async def test_what_is_no_answer_says_why(said: Said, text: str) -> None:
    with pytest.raises(PostFault, match=text):
        await answered(said, timeout_s=0.5)


async def test_e1_an_address_whose_network_is_not_open_gets_no_connection() -> None:
    with pytest.raises(PostFault, match="internal address"):
        await answered(saying(HEAD), networks=FetchNetworks())


async def test_e2_the_address_that_is_dialed_is_the_one_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def resolved(host: str, *_: object) -> NameResolved:
        asked.append(host)
        return NameResolved(0.0, host, ("198.51.100.7", "127.0.0.1") if len(asked) == 1 else ("127.0.0.1",))

    monkeypatch.setattr(webhook_post, "resolve", resolved)
    dialed = []

    async def connected(address: str, *_: object, **__: object) -> None:
        dialed.append(address)
        raise OSError("nobody")

    monkeypatch.setattr(asyncio, "open_connection", connected)
    with pytest.raises(PostFault, match="does not take a connection"):
        await post("http://app.example.com/", {}, b"", timeout_s=1.0, allowed=lambda address: address != "127.0.0.1")
    assert (asked, dialed) == (["app.example.com"], ["198.51.100.7"])


async def test_a_certificate_has_to_be_good_for_the_name(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_text(certificates.pem)

    async def resolved(host: str, *_: object) -> NameResolved:
        return NameResolved(0.0, host, ("127.0.0.1",))

    monkeypatch.setattr(webhook_post, "resolve", resolved)

    async def posted(port: int) -> Answer:
        return await post(f"https://app.example.com:{port}/", {}, b"", timeout_s=3.0, allowed=LOOPBACK.may_fetch)

    async with receiving(saying(HEAD), certificates.server("app.example.com")) as port:
        with pytest.raises(PostFault, match="certificate can't be verified"):
            await posted(port)
        monkeypatch.setenv("SSL_CERT_FILE", str(roots))
        assert (await posted(port)).status == 200
    async with receiving(saying(HEAD), certificates.server("other.example.com")) as port:
        with pytest.raises(PostFault, match="certificate can't be verified"):
            await posted(port)
    async with receiving(plain) as port:
        with pytest.raises(PostFault, match="No encrypted connection"):
            await posted(port)
