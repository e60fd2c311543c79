"""One connection of a client that is not trusted: the sans-IO session between socket, TLS and whoever takes the mail.

No task and no timer belongs to a connection: it acts when octets come, when an answer comes, and when it is visited.
A client that does not read its replies is not read from; one that is slower than the limits is told so and closed.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from postroom.smtp.server import replies
from postroom.smtp.server.envelope import ReceivedEnvelope
from postroom.smtp.server.events import (
    AuthWanted,
    ContentBegins,
    ContentDropped,
    ContentEnds,
    ContentPart,
    Event,
    SessionEnds,
    TlsWanted,
)
from postroom.smtp.server.profile import Profile
from postroom.smtp.server.session import ServerSession
from postroom.terms import limits

from .server_tls import ServerTls

# What a client may send while the answer to a content is due, before it is not read any more.
_HELD_BYTES = 64 * 1024
# How long, and how much, is read of a client after our last words.
LINGER_S = 5.0
_DISREGARDED_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a client may be, in seconds; numbers as in terms/limits."""

    command_s: float = limits.SUBMISSION_COMMAND_S
    content_grace_s: float = limits.SUBMISSION_CONTENT_GRACE_S
    content_rate: float = limits.SUBMISSION_CONTENT_RATE
    session_s: float = limits.SUBMISSION_SESSION_S
    handshake_s: float = limits.TLS_HANDSHAKE_TIMEOUT_S


class Receiver(Protocol):
    """Takes the mail of one connection. `sign_in` and `end` are answered later, through the connection."""

    def sender_refusal(self, reverse_path: str, size_bytes: int) -> bytes: ...

    def recipient_refusal(self, forward_path: str) -> bytes: ...

    def sign_in(self, username: str, password: str) -> None:
        """Answered by `Incoming.signed_in` or `Incoming.sign_in_refused`."""

    def begin(self, envelope: ReceivedEnvelope) -> None: ...

    def take(self, octets: bytes) -> None: ...

    def drop(self) -> None:
        """Forget the content that began."""

    def end(self) -> None:
        """Answered by `Incoming.answer`. Goes on although the client leaves (U3)."""


class Host(Protocol):
    """What all connections of a listener share."""

    profile: Profile
    pace: Pace
    tls: ssl.SSLContext | None
    takes_sign_in: bool

    def refusal_of(self, address: str) -> bytes:
        """b"" to let a client in; a refused one is not counted."""

    def joined(self, incoming: "Incoming") -> None: ...

    def left(self, incoming: "Incoming") -> None: ...

    def receiver(self, incoming: "Incoming") -> Receiver: ...


class Incoming(asyncio.Protocol):
    """See above. `address` is the peer's, `place` belongs to net.rounds."""

    __slots__ = (
        "_began", "_disregarded", "_host", "_is_full", "_is_listed", "_is_paused", "_loop", "_receiver",
        "_session", "_since", "_tls", "_transport", "_wants_pause", "address", "ends_at", "place",
    )

    def __init__(self, host: Host, *, is_encrypted: bool = False) -> None:
        self._host = host
        self._tls = ServerTls(host.tls) if is_encrypted and host.tls is not None else None
        self._loop = asyncio.get_running_loop()
        self._is_full = self._wants_pause = self._is_paused = self._is_listed = False
        self._disregarded = 0
        self._began = self._since = self._loop.time()
        self.ends_at: float | None = None
        self.address = ""
        self.place = 0

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        host = self._host
        refusal = host.refusal_of(self.address)
        self._receiver = host.receiver(self)
        self._session = ServerSession(
            host.profile, self._receiver, takes_sign_in=host.takes_sign_in,
            needs_tls=not is_loopback(self.address), may_encrypt=host.tls is not None,
            is_encrypted=self._tls is not None,
        )
        if refusal:
            self._session.sent()
            self._act(self._session.close(refusal))
            return
        self._is_listed = True
        host.joined(self)
        if self._tls is None:
            self._flush()

    def data_received(self, data: bytes) -> None:
        if self.ends_at is not None:
            self._disregard(len(data))
            return
        if self._tls is not None:
            data = self._decrypted(data)
            if not data:
                return
        session = self._session
        events = session.receive(data)
        if events:
            self._act(events)
        else:
            self._flush()
        if session.held_bytes > _HELD_BYTES and session.is_waiting:
            self._pause()

    def _decrypted(self, data: bytes) -> bytes:
        tls = cast(ServerTls, self._tls)
        was_open = tls.is_open
        try:
            plain = tls.decrypted(data)
            # What TLS says by itself: the handshake, whose end is ours with TLS 1.2, and alerts.
            self._write(b"")
            if tls.is_open and not was_open:
                self._since = self._loop.time()
                self._flush()
        except ssl.SSLError:
            self._write_alert()
            self._leave()
            return b""
        if tls.is_ended:
            self._leave()
        return plain

    def _write_alert(self) -> None:
        try:
            self._write(b"")
        except ssl.SSLError:
            return

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._act(self._session.close(b""))
        if self._is_listed:
            self._is_listed = False
            self._host.left(self)

    def pause_writing(self) -> None:
        self._is_full = True
        self._pause()

    def resume_writing(self) -> None:
        self._is_full = False
        self._read_on()

    # Acting on events.

    def _act(self, events: list[Event]) -> None:
        session = self._session
        while events:
            for event in events:
                self._take(event)
            events = session.receive(b"") if session.held_bytes and not session.is_waiting else []
        self._flush()

    def _take(self, event: Event) -> None:
        kind, receiver = type(event), self._receiver
        if kind is ContentPart:
            receiver.take(cast(ContentPart, event).octets)
        elif kind is ContentBegins:
            receiver.begin(cast(ContentBegins, event).envelope)
        elif kind is ContentEnds:
            receiver.end()
        elif kind is ContentDropped:
            receiver.drop()
        elif isinstance(event, AuthWanted):
            receiver.sign_in(event.username, event.password)
        elif kind is TlsWanted:
            self._start_tls()
        elif kind is SessionEnds:
            self._flush()
            self._leave()

    def _start_tls(self) -> None:
        self._flush()
        self._tls = ServerTls(cast(ssl.SSLContext, self._host.tls))
        self._session.encrypted()

    def _flush(self) -> None:
        """Writes what the session has to say; a command was complete then, so the next one has its time."""
        octets = self._session.sent()
        if not octets:
            return
        self._since = self._loop.time()
        if self._tls is not None:
            if self._tls.is_open:
                self._write(octets)
        elif not self._transport.is_closing():
            self._transport.write(octets)

    def _write(self, octets: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._tls is not None:
            octets = self._tls.encrypted(octets)
        if octets:
            self._transport.write(octets)

    def _leave(self) -> None:
        """Closes in order. A client that still sends would lose our last words if we closed at once: so it is read, and
        not listened to, until it has left or time is up."""
        if self.ends_at is not None:
            return
        self.ends_at = self._loop.time() + LINGER_S
        transport = self._transport
        if self._tls is None and self._is_listed and not (self._is_full or transport.is_closing()):
            transport.write_eof()
            self._wants_pause = False
            self._read_on()
        else:
            transport.close()

    def _disregard(self, octets: int) -> None:
        self._disregarded += octets
        if self._disregarded > _DISREGARDED_BYTES:
            self._transport.abort()

    # What the receiver calls.

    @property
    def client_name(self) -> str:
        """What the client called itself."""
        return self._session.client_name

    @property
    def protocol(self) -> str:
        """The protocol's keyword for the trace field (RFC 3848, RFC 6531 section 4.3)."""
        session = self._session
        if not session.is_extended:
            return "SMTP"
        envelope = session.envelope
        base = "UTF8SMTP" if envelope is not None and envelope.is_smtputf8 else "ESMTP"
        return base + "S" * session.is_encrypted + "A" * session.is_signed_in

    @property
    def is_encrypted(self) -> bool:
        return self._session.is_encrypted

    @property
    def is_signed_in(self) -> bool:
        return self._session.is_signed_in

    def answer(self, reply: bytes) -> None:
        """Answers the content that has ended; a client that has left hears nothing."""
        self._answered(lambda: self._session.answer(reply))

    def signed_in(self) -> None:
        self._answered(self._session.signed_in)

    def sign_in_refused(self, reply: bytes) -> None:
        self._answered(lambda: self._act(self._session.sign_in_refused(reply)))

    def _answered(self, tell: Callable[[], object]) -> None:
        session = self._session
        if session.ended or not session.is_waiting:
            return
        tell()
        if session.held_bytes:
            self._act(session.receive(b""))
        self._flush()
        self._read_on()

    def hold(self) -> None:
        """Read no more until `go_on`."""
        self._wants_pause = True
        self._pause()

    def go_on(self) -> None:
        self._wants_pause = False
        self._read_on()

    def _pause(self) -> None:
        if not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def _read_on(self) -> None:
        if self._is_paused and not (self._is_full or self._wants_pause or self._transport.is_closing()):
            self._is_paused = False
            self._transport.resume_reading()

    # What the host calls.

    @property
    def is_idle(self) -> bool:
        """Whether closing now loses no message that is on its way."""
        return self._session.is_idle

    def say_farewell(self, reply: bytes) -> None:
        """Ends the session with a 421, at once."""
        self._act(self._session.close(reply))

    def abort(self) -> None:
        self._transport.abort()

    def visit(self, now_s: float) -> None:
        """Looks after the deadlines of B2."""
        if self.ends_at is not None:
            if now_s >= self.ends_at:
                self._transport.abort()
            return
        session, pace = self._session, self._host.pace
        age_s = now_s - self._began
        if self._tls is not None and not self._tls.is_open:
            if now_s - self._since > pace.handshake_s:
                self._transport.abort()
        elif session.is_waiting or self._wants_pause:
            # It waits for us.
            self._since = now_s
        elif now_s - self._since > self._time_allowed_s():
            self.say_farewell(replies.TOO_SLOW)
        elif age_s > pace.session_s and (session.is_idle or age_s > 2 * pace.session_s):
            self.say_farewell(replies.TOO_LONG_A_SESSION)

    def _time_allowed_s(self) -> float:
        pace, session = self._host.pace, self._session
        if session.is_in_content:
            return pace.content_grace_s + session.content_bytes / pace.content_rate
        return pace.command_s


def is_loopback(address: str) -> bool:
    """Whether a peer's address is this machine's own."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
