"""An HTTP client that only measures: octets made beforehand, raw sockets on uvloop, hardly any parsing.

It spends some 20 µs on a request, so that on the other core a server of many times that is the bottleneck.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import uvloop

ANSWERED_WITHIN_S = 120.0
Heard = Callable[[bytes], None]


@dataclass(slots=True)
class Answers:
    """What was answered: how long each took that was 2xx, and the status lines of those that were not."""

    seconds: float = 0.0
    taken_s: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.taken_s) / self.seconds

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.taken_s) * 1_000

    @property
    def p99_ms(self) -> float:
        return sorted(self.taken_s)[int(len(self.taken_s) * 0.99)] * 1_000


def load(
    port: int, requests: Iterator[bytes], connections: int, seconds: float = float("inf"), heard: Heard | None = None
) -> Answers:
    """Send `requests` over so many connections, each one after the answer to the one before, until they or the time are
    used up. `heard` is told the body of each answer."""
    return uvloop.run(_load(port, requests, connections, seconds, heard))


async def _load(
    port: int, requests: Iterator[bytes], connections: int, seconds: float, heard: Heard | None
) -> Answers:
    loop, answers = asyncio.get_running_loop(), Answers()
    begun_s = time.perf_counter()
    clients = []
    for _ in range(connections):
        ended = loop.create_future()
        await loop.create_connection(
            lambda ended=ended: _Client(requests, answers, begun_s + seconds, ended, heard), "127.0.0.1", port
        )
        clients.append(ended)
    async with asyncio.timeout(min(seconds, ANSWERED_WITHIN_S) + ANSWERED_WITHIN_S):
        await asyncio.gather(*clients)
    answers.seconds = time.perf_counter() - begun_s
    return answers


class _Client(asyncio.Protocol):
    def __init__(
        self,
        requests: Iterator[bytes],
        answers: Answers,
        until_s: float,
        ended: "asyncio.Future[None]",
        heard: Heard | None,
    ) -> None:
        self._requests, self._answers, self._until_s, self._ended = requests, answers, until_s, ended
        self._tell = heard
        self._heard = b""
        self._asked_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, found, body = self._heard.partition(b"\r\n\r\n")
        if not found or not _is_whole(head, body):
            return
        now_s = time.perf_counter()
        if head[9:10] == b"2":
            self._answers.taken_s.append(now_s - self._asked_s)
        else:
            self._answers.refused.append(head.partition(b"\r\n")[0].decode(errors="replace") + " " + str(body[:300]))
        if self._tell is not None:
            self._tell(body)
        self._heard = b""
        if now_s < self._until_s:
            self._ask()
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(exc or ConnectionError("the server closed a connection before it had answered"))

    def _ask(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._end()
            return
        self._asked_s = time.perf_counter()
        self._transport.write(request)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
        self._transport.close()


def _is_whole(head: bytes, body: bytes) -> bool:
    at = head.lower().find(b"content-length:")
    if at >= 0:
        return len(body) >= int(head[at + 15 :].split(b"\r\n")[0])
    return body.endswith(b"0\r\n\r\n")  # in chunks
