"""uvicorn's HTTP connection with the bounds that it lacks: octets, fields and time of a head, how long an answer stays
unread, and how many connections.

A head is the request line with the header. Bodies have their bounds where they are read. The hot way of a small message
pays a comparison or two: nothing is summed up where a head came whole in one small read; each connection has one timer.
"""

import asyncio
import resource
from functools import cache

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_BYTES = 64 * 1024
HEAD_FIELDS = 200
HEAD_S = 30.0
# Slow clients take something of a large answer all the time; whoever takes nothing for so long never will.
UNREAD_S = 60.0
# What a few thousand people and programs keep open behind no proxy; an idle one is closed after some seconds.
CONNECTIONS = 10_000
# Besides connections: the database, the log, what libraries open.
_OTHER_DESCRIPTORS = 64
_FEWEST = 8


class HeadTooLarge(Exception):
    """Ends the reading of a head; uvicorn takes it for one that can't be read."""


class BoundedConnection(HttpToolsProtocol):
    """See above."""

    # Read since a head was complete or something of a body came; of that, in the present read.
    _head_bytes = _read_bytes = 0
    # Since when a head is waited for; None while a request is answered, or uvicorn waits for the next one.
    _since_s: float | None = None
    # What was waiting to be sent while nothing more might be added, and since when it was so much; 0 while more might.
    _unsent_bytes = 0
    _unsent_s = 0.0
    _timer: asyncio.TimerHandle | None = None
    _is_deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= most_connections():
            self.transport, self._is_deaf = transport, True
            self._refuse(503, b"There are too many connections.")
            return
        super().connection_made(transport)
        self._since_s = self.loop.time()
        self._timer = self.loop.call_at(self._since_s + HEAD_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        self._unsent_bytes = 0
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if self._since_s is None and (self.cycle is None or self.cycle.response_complete):
            self._since_s = self.loop.time()
        self._read_bytes = size = len(data)
        self._head_bytes += size
        super().data_received(data)
        if self._head_bytes and not self._is_deaf and self._is_beyond():
            self._refuse_head()

    def _is_beyond(self) -> bool:
        """Whether the head that is not complete yet is too large already; or the trailer of a body."""
        return self._head_bytes > HEAD_BYTES or len(self.headers or ()) > HEAD_FIELDS

    def on_headers_complete(self) -> None:
        came_alone = self._head_bytes == self._read_bytes <= HEAD_BYTES
        if len(self.headers) > HEAD_FIELDS or not (came_alone or self._octets() <= HEAD_BYTES):
            self._refuse_head()
            raise HeadTooLarge
        self._head_bytes, self._since_s = 0, None
        super().on_headers_complete()
        # What the trailer of a body says would join them, after they were checked.
        self.headers = []

    def _octets(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def _refuse_head(self) -> None:
        """431, and the end. A request before it is answered first, which nobody may take for a refusal of it."""
        self._is_deaf, cycle = True, self.cycle
        if cycle is not None and not (cycle.response_complete or cycle.more_body):
            cycle.keep_alive = False
        else:
            self._refuse(431, b"The header is too large.")

    def send_400_response(self, msg: str) -> None:
        if not self._is_deaf:
            super().send_400_response(msg)

    def _refuse(self, status: int, text: bytes) -> None:
        fields = (
            *self.server_state.default_headers, (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)), (b"connection", b"close"),
        )
        lines = [b"%b: %b\r\n" % field for field in fields]
        self.transport.write(b"".join((STATUS_LINE[status], *lines, b"\r\n", text)))
        self.transport.close()

    def _look(self) -> None:
        now_s = self.loop.time()
        if self._is_unread(now_s):
            self.transport.abort()  # closing waits for what is unsent
            return
        due_s = (now_s if self._since_s is None else self._since_s) + HEAD_S
        if due_s <= now_s:
            self.transport.close()
            due_s = now_s + HEAD_S
        self._timer = self.loop.call_at(due_s, self._look)

    def _is_unread(self, now_s: float) -> bool:
        """Whether the client has taken nothing of what waits for it for too long."""
        is_final = self.flow.write_paused or self.transport.is_closing()
        unsent_bytes = self.transport.get_write_buffer_size() if is_final else 0
        if not 0 < self._unsent_bytes <= unsent_bytes:
            self._unsent_bytes, self._unsent_s = unsent_bytes, now_s
        return unsent_bytes > 0 and now_s - self._unsent_s >= UNREAD_S


def connections_for(descriptors: int) -> int:
    """How many connections a process with so many descriptors takes: each may have a file of its body beside it."""
    return min(CONNECTIONS, max(_FEWEST, (descriptors - _OTHER_DESCRIPTORS) // 2))


@cache
def most_connections() -> int:
    """Of this process, by its limit of descriptors."""
    return connections_for(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
