"""A POST to a webhook: one request, no redirects, bounded in octets and time (E1, E2, E3).

Each address that the name has is checked, and exactly what was checked is dialed. What the receiver says is read as far
as its first kilobytes and never believed: it is evidence for whoever looks for a fault."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httptools

from postroom.smtp.text import printable, printable_octets
from postroom.terms.wording import Wording, worded

from .recorder import Recorder
from .resolve import canonical_host, resolve
from .tls import verifying_context

ADDRESSES = 4
ANSWER_BYTES = 4_096
HEAD_BYTES = 32_768
SAID_CHARACTERS = 500
_PORTS = {"http": 80, "https": 443}


class PostFault(Exception):
    """No answer came; `text` says why."""

    def __init__(self, text: Wording) -> None:
        super().__init__(str(text))
        self.text = text


@dataclass(frozen=True, slots=True)
class Answer:
    """`said` is the beginning of the answer's body; `retry_after_s` what the receiver asked for, None for nothing."""

    status: int
    said: str
    retry_after_s: float | None


async def post(
    address: str, fields: Mapping[str, str], body: bytes, *, timeout_s: float, allowed: Callable[[str], bool]
) -> Answer:
    """The receiver's answer. Raises PostFault; `timeout_s` bounds everything together."""
    url = urlsplit(address)
    try:
        async with asyncio.timeout(timeout_s):
            return await _asked(url, fields, body, timeout_s, allowed)
    except TimeoutError:
        text = worded("The receiver did not answer within {most} s.", most=f"{timeout_s:g}")
    except ssl.SSLCertVerificationError as error:
        why = printable(error.verify_message, 200)
        text = worded("The receiver's certificate can't be verified: {why}", why=why)
    except ssl.SSLError as error:
        text = worded("No encrypted connection came about: {why}", why=printable(error.reason or str(error), 200))
    except (OSError, httptools.HttpParserError, ValueError) as error:
        text = worded("The receiver broke off: {why}", why=printable(str(error) or type(error).__name__, 200))
    raise PostFault(text)


async def _asked(
    url: SplitResult, fields: Mapping[str, str], body: bytes, timeout_s: float, allowed: Callable[[str], bool]
) -> Answer:
    host, port = canonical_host(url.hostname or ""), url.port or _PORTS[url.scheme]
    reader, writer = await _connected(url.scheme, host, port, await _addresses(host, timeout_s, allowed))
    try:
        writer.write(_request(url, fields, body))
        await writer.drain()
        return await _answer(reader)
    finally:
        writer.transport.abort()


async def _addresses(host: str, timeout_s: float, allowed: Callable[[str], bool]) -> list[str]:
    """Those of the name that may be dialed. Raises PostFault where there is none."""
    found = await resolve(host, Recorder(), timeout_s)
    if not found.addresses:
        text = worded("The name {host} can't be resolved: {why}", host=host, why=printable(found.error_text, 200))
        raise PostFault(text)
    reached = [address for address in found.addresses if allowed(address)]
    if not reached:
        raise PostFault(worded(
            "{host} is an internal address. The operator can open its network with POSTROOM_WEBHOOK_NETWORKS.",
            host=host,
        ))
    return reached[:ADDRESSES]


async def _connected(
    scheme: str, host: str, port: int, addresses: list[str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To the first address that takes a connection."""
    # It reads the system's certificates from the disk: some ten milliseconds in which the loop delivers.
    context = await asyncio.to_thread(verifying_context) if scheme == "https" else None
    for address in addresses:
        try:
            return await asyncio.open_connection(
                address, port, ssl=context, server_hostname=host if context else None, limit=HEAD_BYTES
            )
        except ssl.SSLError:
            raise
        except OSError as error:
            last = error
    why = printable(last.strerror or str(last), 200)
    raise PostFault(worded("{host} does not take a connection: {why}", host=host, why=why))


def _request(url: SplitResult, fields: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {url.path or '/'}{'?' + url.query if url.query else ''} HTTP/1.1",
        f"Host: {url.netloc}", "User-Agent: Postroom", "Accept: */*", "Connection: close",
        "Content-Type: application/json", f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in fields.items()),
    ]
    return "\r\n".join((*lines, "", "")).encode("ascii") + body


class _Reading:
    """What httptools tells of an answer."""

    def __init__(self) -> None:
        self.said = b""
        self.retry_after = ""
        self.is_whole = False
        self.has_head = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self.retry_after = value.decode("ascii", "replace").strip()

    def on_headers_complete(self) -> None:
        self.has_head = True

    def on_body(self, octets: bytes) -> None:
        self.said = (self.said + octets)[:ANSWER_BYTES]

    def on_message_complete(self) -> None:
        self.is_whole = True


async def _answer(reader: asyncio.StreamReader) -> Answer:
    reading = _Reading()
    parser = httptools.HttpResponseParser(reading)
    taken = 0
    while not reading.is_whole and len(reading.said) < ANSWER_BYTES and taken < HEAD_BYTES + ANSWER_BYTES:
        octets = await reader.read(ANSWER_BYTES)
        if not octets:
            break
        taken += len(octets)
        try:
            parser.feed_data(octets)
        except httptools.HttpParserError:
            if not reading.is_whole:  # what follows a whole answer, as a body does with 204, changes nothing
                raise
    if not reading.has_head:
        raise ValueError("no whole answer came")
    text = reading.retry_after
    asked_s = float(text) if text.isascii() and text.isdigit() and len(text) < 9 else None
    return Answer(parser.get_status_code(), printable_octets(reading.said, SAID_CHARACTERS), asked_s)
