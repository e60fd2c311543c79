"""One TCP connection to a peer that is not trusted, with TLS on top when asked.

Contract: what arrives is held until `listen` or `start_tls` says what it is. Octets then become replies as they
arrive, whether or not somebody waits, so that a reply nobody asked for is seen. Every wait ends at an instant the
caller gives; dripping octets do not move it. Memory is bounded: after a fault of framing, and when more replies come
than were asked for, the peer is not read any more. Replies that arrived before the connection broke are delivered
first. All failures are WireFault.
"""

import asyncio
import socket
import ssl
from itertools import islice
from typing import cast

from postroom.smtp.framing import ReplyParser
from postroom.smtp.trace import TlsEnded
from postroom.terms.limits import REPLY_BYTES
from postroom.terms.reply import Reply

from .failure import WireFault
from .tls import TlsLayer, failed_handshake

# After the first wrong octets, how long the rest of the peer's first words is awaited for the evidence.
EVIDENCE_S = 0.3
RAW_OCTETS = 512
LINGER_S = 5.0
_UNASKED_REPLIES = 8
_LAST_READS = 16


class Connection(asyncio.Protocol):
    """See the contract above. Made by net/dial; used by one task at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._outstanding = 1  # the greeting
        self._tls: TlsLayer | None = None
        self._tls_error: ssl.SSLError | None = None
        self._loss: WireFault | None = None
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._ends_at = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._is_full = False
        self._held: bytearray | None = bytearray()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._take(data)
        except ssl.SSLError as error:
            self._tls_error = error
            if self._tls is not None and self._tls.is_open:
                self._lose(WireFault("reset", f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"))
        self._wake()

    def eof_received(self) -> bool:
        self._lose(WireFault("closed", "connection closed"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._read_last()
        if isinstance(exc, ConnectionResetError | BrokenPipeError):
            self._lose(WireFault("reset", "connection reset"))
        elif isinstance(exc, TimeoutError):
            self._lose(WireFault("timeout", "the network stopped answering"))
        else:
            self._lose(WireFault("closed", "connection closed"))

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    # Taking in.

    def listen(self) -> None:
        """From here on, and from what came before, octets are replies."""
        held, self._held = bytes(self._held or b""), None
        self._resume()
        self.data_received(held)

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()

    def _take(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data
            if len(self._held) > REPLY_BYTES and self._transport is not None:
                self._transport.pause_reading()
            return
        if self._tls is None:
            self._feed(data)
            return
        self._tls.received(data)
        if not self._tls.is_open:
            if self._tls.is_not_tls:
                return
            complete = self._tls.handshake()
            self._flush_tls()
            if not complete:
                return
        plain = self._tls.plain()
        self._flush_tls()
        if plain:
            self._feed(plain)
        if self._tls.is_ended:
            self._lose(WireFault("closed", "connection closed"))

    def _feed(self, octets: bytes) -> None:
        self._parser.feed(octets)
        if self._parser.fault is not None or len(self._parser.replies) > self._outstanding + _UNASKED_REPLIES:
            self._stop_reading()

    def _stop_reading(self) -> None:
        """After the evidence is complete: a hostile peer may go on sending for ever."""
        full = self._parser.fault is None or len(self._parser.octets) >= 64 or self._parser.fault.kind != "malformed"
        if full and self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def _read_last(self) -> None:
        """What the kernel still holds after a failed write: often the server's reason for closing."""
        for _ in range(_LAST_READS):
            try:
                data = self._sock.recv(65_536)
            except (OSError, ValueError):
                return
            if not data:
                return
            self.data_received(data)

    def _lose(self, fault: WireFault) -> None:
        if self._loss is None:
            self._loss = fault
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._wake()

    # Waiting. One timer serves all waits of a connection: it is set anew only when it rings too early, or is due too
    # late, so that a reply that comes in time costs none.

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _change(self, ends_at: float) -> None:
        """Waits until anything happens. Raises TimeoutError at `ends_at`."""
        self._waiter = self._loop.create_future()
        self._ends_at = ends_at
        if self._alarm is None or self._alarm_at > ends_at:
            self._set_alarm()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._alarm_at = self._loop.call_at(self._ends_at, self._ring), self._ends_at

    def _ring(self) -> None:
        self._alarm = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._ends_at:
            self._set_alarm()
        else:
            self._waiter.set_exception(TimeoutError())

    async def reply(self, ends_at: float) -> Reply:
        """The next reply. Raises WireFault, TimeoutError at `ends_at`."""
        if not self._parser.replies:
            await self.heard(ends_at)
        return self.taken()

    async def heard(self, ends_at: float) -> None:
        """Waits until a reply can be taken. Raises WireFault, TimeoutError at `ends_at`."""
        while not self._parser.replies:
            if self._parser.fault is not None:
                await self._evidence(ends_at)
                fault = self._parser.fault
                raise WireFault(fault.kind, fault.text, self._parser.octets)
            if self._loss is not None:
                raise WireFault(self._loss.kind, self._loss.text, self._parser.pending_octets)
            await self._change(ends_at)

    def taken(self) -> Reply:
        """The oldest reply that waits; there must be one (`has_reply`)."""
        self._outstanding -= 1
        return self._parser.replies.popleft()

    def oldest(self, count: int) -> tuple[Reply, ...]:
        """So many of the oldest replies that wait, or as many as there are; they are not taken."""
        return tuple(islice(self._parser.replies, count))

    def take_oldest(self, count: int) -> None:
        self._outstanding -= count
        for _ in range(count):
            self._parser.replies.popleft()

    @property
    def has_reply(self) -> bool:
        return bool(self._parser.replies)

    @property
    def next_code(self) -> int | None:
        """The code of the oldest reply that waits, None where none does."""
        return self._parser.replies[0].code if self._parser.replies else None

    async def _evidence(self, ends_at: float) -> None:
        """Waits briefly for the rest of what is not SMTP."""
        at = min(ends_at, self._loop.time() + EVIDENCE_S)
        try:
            while self._loss is None and len(self._parser.octets) < 64 and b"\n" not in self._parser.octets:
                await self._change(at)
        except TimeoutError:
            return

    @property
    def pending_octets(self) -> bytes:
        """What came of an unfinished reply, for the evidence of a time-out."""
        return self._parser.pending_octets

    def unasked(self) -> Reply | None:
        """A reply that came although none was due."""
        return self._parser.replies[0] if self._parser.replies and self._outstanding <= 0 else None

    @property
    def has_spoken(self) -> bool:
        """True when a reply, or what is none, waits to be taken."""
        return bool(self._parser.replies) or self._parser.fault is not None

    @property
    def is_speaking(self) -> bool:
        """True when a command would reach a peer that listens for one."""
        return self.is_quiet and self._held is None and (self._tls is None or self._tls.is_open)

    @property
    def is_quiet(self) -> bool:
        """True when the connection stands and nothing is held that nobody asked for."""
        return self._loss is None and self._parser.is_between_replies

    # Sending.

    def send(self, octets: bytes, replies: int) -> int:
        """Hands octets to the network; `replies` more replies are due from now on. How many octets they became: more
        with TLS, none where the connection is gone."""
        self._outstanding += replies
        return self._write(octets)

    def _write(self, octets: bytes) -> int:
        if self._transport is None or self._transport.is_closing():
            return 0
        if self._tls is not None:
            try:
                octets = self._tls.encrypted(octets)
            except ssl.SSLError as error:
                self._lose(WireFault("reset", f"TLS: {error.reason or error}"))
                return 0
        self._transport.write(octets)
        return len(octets)

    @property
    def unsent_bytes(self) -> int:
        """What has not left this process yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def is_full(self) -> bool:
        """True when so much has not left that `drained` is to be awaited before more is sent."""
        return self._is_full

    def _flush_tls(self) -> None:
        if self._tls is not None and self._transport is not None and not self._transport.is_closing():
            octets = self._tls.encrypted(b"")
            if octets:
                self._transport.write(octets)

    async def drained(self, ends_at: float) -> None:
        """Waits until the peer has taken enough that more may be sent, or has spoken meanwhile. Raises WireFault,
        TimeoutError."""
        while self._is_full and self._loss is None and not self.has_spoken:
            await self._change(ends_at)
        if self._loss is not None and self._parser.is_between_replies:
            raise WireFault(self._loss.kind, self._loss.text)

    # TLS.

    async def start_tls(self, context: ssl.SSLContext, server_name: str, at_s: float, ends_at: float) -> TlsEnded:
        """Shakes hands; the event says how it ended (its `at_s` is `at_s`: the caller puts the true time). Never raises
        for a peer's fault. What the parser knew is forgotten: after TLS nothing from before it counts (RFC 3207)."""
        held, self._held = bytes(self._held or b""), None
        self._parser, self._outstanding = ReplyParser(), 0
        self._tls = TlsLayer(context, server_name)
        try:
            self._tls.handshake()
            self._flush_tls()
            self._resume()
            self.data_received(held)
            while not self._tls.is_open:
                if self._tls_error is not None:
                    await self._send_alert()
                    return failed_handshake(at_s, self._tls_error, server_name, self._tls.first_octets)
                if self._tls.is_not_tls:
                    return await self._not_tls(at_s, ends_at)
                if self._loss is not None:
                    return TlsEnded(
                        at_s, error=self._loss.kind, error_text=self._loss.text, server_name=server_name,
                        first_bytes=self._tls.first_octets,
                    )
                await self._change(ends_at)
        except TimeoutError:
            return TlsEnded(
                at_s, error="timeout", error_text="the TLS handshake did not end in time", server_name=server_name,
                first_bytes=self._tls.first_octets,
            )
        except ssl.SSLError as error:
            return failed_handshake(at_s, error, server_name, self._tls.first_octets)
        return self._tls.facts(at_s)

    async def _send_alert(self) -> None:
        """Tells the peer why: the alert leaves before the connection is closed."""
        try:
            self._flush_tls()
        except ssl.SSLError:
            return
        await asyncio.sleep(0)

    async def _not_tls(self, at_s: float, ends_at: float) -> TlsEnded:
        assert self._tls is not None
        at = min(ends_at, self._loop.time() + EVIDENCE_S)
        try:
            while self._loss is None and len(self._tls.first_octets) < 200 and b"\n" not in self._tls.first_octets:
                await self._change(at)
        except TimeoutError:
            pass  # what has come by now is the evidence
        return TlsEnded(
            at_s, error="not-tls", error_text="the server does not speak TLS here",
            first_bytes=self._tls.first_octets, server_name=self._tls.server_name,
        )

    def expect_greeting(self) -> None:
        """With implicit TLS the greeting comes after the handshake."""
        self._outstanding = 1

    # Looks.

    async def raw_words(self, send: bytes, ends_at: float) -> bytes:
        """The first octets of a peer, until a line end, 512 octets, its end, or `ends_at`; nobody listens then."""
        assert self._held is not None
        if send:
            self._write(send)
        try:
            while self._loss is None and len(self._held) < RAW_OCTETS and not self._held.endswith(b"\n"):
                await self._change(ends_at)
        except TimeoutError:
            pass  # what has come by now is the answer
        return bytes(self._held[:RAW_OCTETS])

    # The end.

    @property
    def is_open(self) -> bool:
        return self._loss is None and self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Closes in order: what was sent still leaves, within 5 s: a peer that does not read keeps no descriptor."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._tls is not None and self._tls.is_open:
            self._transport.write(self._tls.farewell())
        self._lose(WireFault("closed", "closed by us"))
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._loop.call_later(LINGER_S, self._transport.abort)

    def abort(self) -> None:
        """Closes at once: what was not sent never leaves, so content without its final dot stays without it."""
        self._lose(WireFault("closed", "closed by us"))
        if self._transport is not None:
            self._transport.abort()
