"""One session from the server's side (RFC 5321 section 4, RFC 6409), without a socket.

Contract: `receive` takes any octets in any cuts and gives events; it never raises. What is to be sent gathers in
`outgoing`, so that commands that came together are answered together (RFC 2920); `sent` empties it. After `AuthWanted`,
`TlsWanted` or `ContentEnds` the session waits for the answer of its owner and reads no further: what came meanwhile is
held, `held_bytes` of it, and is read by `receive(b"")` after the answer. After `SessionEnds` nothing is read any more.

Only CR LF ends a line, only CR LF . CR LF ends content after DATA; a bare CR or LF ends the session (P1). Octets that
came before TLS end it, too, and after TLS nothing from before it counts (P4). Work is linear in what is fed, and
memory is bounded by the profile: a line, and the events' own octets.
"""

import re
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, cast

from postroom.terms.limits import AUTH_LINE_BYTES

from . import replies
from .content import BareLineEnd, ChunkedContent, DottedContent, NulOctet
from .envelope import ReceivedEnvelope, Refusal, envelope_of, recipient_of
from .events import (
    AuthWanted,
    ContentBegins,
    ContentDropped,
    ContentEnds,
    ContentPart,
    Event,
    SessionEnds,
    TlsWanted,
)
from .profile import Judge, Profile
from .sign_in import MECHANISMS, SignIn

_HTTP_VERBS = frozenset(
    (b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE", b"PATCH", b"TRACE", b"PRI")
)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_CLIENT_NAME = re.compile(rb"[A-Za-z0-9._-]{1,255}|\[[A-Za-z0-9.:_-]{1,80}\]")
_CHUNK = re.compile(rb"(\d{1,15})(?: +(LAST))?", re.IGNORECASE)


class ServerSession:
    """See the contract above.

    `takes_sign_in`: whether AUTH is offered; `needs_tls` where that, too, waits for TLS. `may_encrypt`: STARTTLS."""

    __slots__ = (
        "_answer_due", "_auth_tries", "_chunk_left", "_chunks", "_content", "_errors", "_events", "_held",
        "_idle_commands", "_is_last_chunk", "_judge", "_may_encrypt", "_needs_tls", "_profile", "_put_off", "_sign_in",
        "_size", "_takes_sign_in", "client_name", "ended", "envelope", "is_encrypted", "is_extended", "is_signed_in",
        "outgoing",
    )

    def __init__(
        self, profile: Profile, judge: Judge, *, takes_sign_in: bool = False, needs_tls: bool = False,
        may_encrypt: bool = False, is_encrypted: bool = False,
    ) -> None:
        self._profile, self._judge = profile, judge
        self._takes_sign_in, self._needs_tls, self._may_encrypt = takes_sign_in, needs_tls, may_encrypt
        self.is_encrypted = is_encrypted
        self.outgoing: list[bytes] = [replies.greeting(profile.host_name)]
        self.is_signed_in = self.ended = False
        self._errors = self._put_off = self._idle_commands = self._auth_tries = 0
        self._forget_all()

    def _forget_all(self) -> None:
        """What a session is before EHLO."""
        self.client_name = ""
        self.is_extended = False
        self._held = b""
        self._sign_in: SignIn | None = None
        self._answer_due = False
        self._events: list[Event] = []
        self._reset()

    def _reset(self) -> None:
        self.envelope: ReceivedEnvelope | None = None
        self._content: DottedContent | None = None
        self._chunks: ChunkedContent | Literal["failed"] | None = None
        self._chunk_left, self._is_last_chunk = 0, False
        self._size = 0

    # What the owner calls.

    def receive(self, octets: bytes) -> list[Event]:
        """What these octets, after all before them, come to."""
        events: list[Event] = []
        self._events = events
        if self._held:
            octets = self._held + octets
        before = -1
        try:
            while octets and len(octets) != before and not (self._answer_due or self.ended):
                before = len(octets)
                if self._content is not None:
                    octets = self._read_content(self._content, octets)
                else:
                    octets = self._read_chunk(octets) if self._chunk_left else self._read_line(octets)
        except BareLineEnd:
            self._end(replies.BARE_LINE_END, "bare CR or LF")
        except NulOctet:
            self._end(replies.NUL_OCTET, "NUL")
        self._held = b"" if self.ended else octets
        return events

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    @property
    def is_waiting(self) -> bool:
        """Whether the owner's answer is due."""
        return self._answer_due

    @property
    def is_idle(self) -> bool:
        """Whether the session is between transactions."""
        return self.envelope is None and not self._answer_due

    @property
    def is_in_content(self) -> bool:
        return self._content is not None or self._chunk_left > 0

    @property
    def content_bytes(self) -> int:
        """How much of the present content has come."""
        return self._size

    def sent(self) -> bytes:
        """What is to be sent now, once."""
        gathered = self.outgoing
        if not gathered:
            return b""
        self.outgoing = []
        return gathered[0] if len(gathered) == 1 else b"".join(gathered)

    def answer(self, reply: bytes) -> None:
        """Answers the content that has ended."""
        self._answer_due = False
        self._reset()
        if reply.startswith(b"2"):
            self._errors = self._put_off = self._idle_commands = 0
        self.outgoing.append(reply)

    def signed_in(self) -> None:
        self._answer_due = False
        self.is_signed_in = True
        self.outgoing.append(replies.SIGNED_IN)

    def sign_in_refused(self, reply: bytes) -> list[Event]:
        """The credentials are none, or can't be checked; the events that follow from it."""
        self._answer_due, self._events = False, []
        self._auth_tries += 1
        if self._auth_tries >= self._profile.auth_tries:
            self.outgoing.append(reply)
            self._end(replies.TOO_MANY_SIGN_INS, "too many tries to sign in")
        else:
            self._refuse(reply)
        return self._events

    def encrypted(self) -> None:
        """TLS is on: nothing that the client said before it counts."""
        self.is_encrypted, self.is_signed_in = True, False
        self._forget_all()

    def close(self, reply: bytes) -> list[Event]:
        """Ends the session for a reason of the owner's; the events that follow from it."""
        self._events = []
        if not self.ended:
            self._end(reply, "")
        return self._events

    # Reading.

    def _read_line(self, octets: bytes) -> bytes:
        """What is left after the first line; all of it while the line has not come to its end."""
        limit = AUTH_LINE_BYTES if self._sign_in is not None else self._profile.line_bytes
        end = octets.find(b"\r\n", 0, limit)
        if end < 0:
            begun = octets[:limit]
            if b"\n" in begun or b"\r" in begun[:-1]:
                raise BareLineEnd
            if len(octets) > limit:
                self._end(replies.ENDLESS_LINE, "a line without end")
            return octets
        line, rest = octets[:end], octets[end + 2 :]
        if b"\n" in line or b"\r" in line:
            raise BareLineEnd
        try:
            if self._sign_in is not None:
                self._take_sign_in(line)
            else:
                self._take_command(line, rest)
        except Refusal as refusal:
            self._refuse(refusal.reply)
        return rest

    def _take_command(self, line: bytes, rest: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        command = self._COMMANDS.get(verb)
        if command is None:
            if verb in _HTTP_VERBS:
                self._end(replies.NOT_SMTP, "HTTP")
            else:
                self._refuse(replies.UNKNOWN_COMMAND)
        elif verb == b"STARTTLS":
            self._starttls(argument, rest)
        elif _CONTROL.search(argument):
            self._refuse(replies.CONTROL_CHARACTER)
        else:
            command(self, argument)

    def _read_content(self, content: DottedContent, octets: bytes) -> bytes:
        piece, rest = content.feed(octets)
        if piece:
            self._take_piece(piece)
        if rest is None:
            return b""
        self._content = None
        if not self.ended:
            self._end_content()
        return rest

    def _read_chunk(self, octets: bytes) -> bytes:
        piece, rest = octets[: self._chunk_left], octets[self._chunk_left :]
        self._chunk_left -= len(piece)
        if isinstance(self._chunks, ChunkedContent):
            piece = self._chunks.feed(piece)
            if piece:
                self._take_piece(piece)
        if self._chunk_left == 0 and not self.ended:
            self._end_chunk()
        return rest

    def _take_piece(self, piece: bytes) -> None:
        """Content that exceeds the size limit is read to its end and dropped; far beyond it the session ends."""
        limit, before = self._profile.size_bytes, self._size
        self._size = size = before + len(piece)
        if size <= limit:
            self._events.append(ContentPart(piece))
            return
        if before <= limit:
            self._events.append(ContentDropped())
        if size > 2 * limit:
            self._end(replies.too_large(limit), "content far beyond the size limit")

    # Commands.

    def _ehlo(self, argument: bytes) -> None:
        if self._hello(argument, is_extended=True):
            self.outgoing.append(replies.listed([self._profile.host_name, *self._offered()]))

    def _helo(self, argument: bytes) -> None:
        if self._hello(argument, is_extended=False):
            self.outgoing.append(replies.listed([self._profile.host_name]))

    def _hello(self, argument: bytes, *, is_extended: bool) -> bool:
        name = argument.strip(b" ")
        if not name:
            self._refuse(replies.EHLO_SYNTAX)
            return False
        self._give_up_content()
        self._reset()
        # Programs say what they like; a name that is none is not repeated in the trace field.
        self.client_name = name.decode("ascii") if _CLIENT_NAME.fullmatch(name) else "unknown"
        self.is_extended = is_extended
        return self._count_idle()

    def _offered(self) -> list[str]:
        offered = ["PIPELINING", f"SIZE {self._profile.size_bytes}", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN"]
        if self._may_encrypt and not self.is_encrypted:
            offered.append("STARTTLS")
        if self._takes_sign_in and (self.is_encrypted or not self._needs_tls):
            offered.append(f"AUTH {' '.join(MECHANISMS)}")
        return [*offered, "ENHANCEDSTATUSCODES"]

    def _mail(self, argument: bytes) -> None:
        if not self.client_name:
            return self._refuse(replies.EHLO_FIRST)
        if self.envelope is not None:
            return self._refuse(replies.ALREADY_BEGUN)
        envelope = envelope_of(argument)
        if envelope.size_bytes > self._profile.size_bytes:
            return self._refuse(replies.too_large(self._profile.size_bytes))
        refusal = self._judge.sender_refusal(envelope.reverse_path, envelope.size_bytes)
        if refusal:
            return self._refuse(refusal)
        self.envelope = envelope
        self.outgoing.append(replies.SENDER_OK)
        return None

    def _rcpt(self, argument: bytes) -> None:
        envelope = self.envelope
        if envelope is None:
            return self._refuse(replies.MAIL_FIRST)
        if self._chunks is not None:
            return self._refuse(replies.CHUNKS_BEGUN)
        if len(envelope.forward_paths) >= self._profile.recipients:
            return self._refuse(replies.TOO_MANY_RECIPIENTS)
        recipient = recipient_of(argument, envelope.is_smtputf8)
        refusal = self._judge.recipient_refusal(recipient.path)
        if refusal:
            return self._refuse(refusal)
        envelope.add(recipient)
        self.outgoing.append(replies.RECIPIENT_OK)
        return None

    def _data(self, argument: bytes) -> None:
        if argument.strip(b" "):
            self._refuse(replies.ARGUMENT_REFUSED)
        elif self._chunks is not None:
            self._refuse(replies.CHUNKS_BEGUN)
        elif self._may_begin_content():
            self._content = DottedContent()
            self._events.append(ContentBegins(cast(ReceivedEnvelope, self.envelope)))
            self.outgoing.append(replies.GO_AHEAD)

    def _may_begin_content(self) -> bool:
        if self.envelope is None:
            self._refuse(replies.MAIL_FIRST)
        elif not self.envelope.forward_paths:
            self._refuse(replies.NO_VALID_RECIPIENTS)
        else:
            return True
        return False

    def _bdat(self, argument: bytes) -> None:
        """A chunk (RFC 3030 section 2). A refused one is read all the same, for the client has sent it already."""
        match = _CHUNK.fullmatch(argument.strip(b" "))
        if match is None:
            return self._end(replies.BDAT_SYNTAX, "a chunk without a size")
        self._chunk_left, self._is_last_chunk = int(match.group(1)), match.group(2) is not None
        if self._chunk_left > 2 * self._profile.size_bytes:
            return self._end(replies.too_large(self._profile.size_bytes), "a chunk far beyond the size limit")
        if self._chunks is None:
            if self._may_begin_content():
                self._chunks = ChunkedContent()
                self._events.append(ContentBegins(cast(ReceivedEnvelope, self.envelope)))
            else:
                self._chunks = "failed"
        elif self._chunks == "failed":
            self._refuse(replies.CHUNKS_FAILED)
        if self._chunk_left == 0:
            self._end_chunk()
        return None

    def _end_chunk(self) -> None:
        if self._chunks == "failed":
            # Refused when it was announced. Without a transaction nothing is left to reset.
            if self.envelope is None:
                self._chunks = None
        elif self._size > self._profile.size_bytes:
            self._chunks = "failed"
            self._refuse(replies.too_large(self._profile.size_bytes))
        elif self._is_last_chunk:
            missing = cast(ChunkedContent, self._chunks).ending()
            if missing:
                self._take_piece(missing)
            self._end_content()
        else:
            self.outgoing.append(replies.OK)

    def _end_content(self) -> None:
        if self._size > self._profile.size_bytes:
            self._reset()
            self._refuse(replies.too_large(self._profile.size_bytes))
        else:
            self._chunks = None
            self._answer_due = True
            self._events.append(ContentEnds())

    def _give_up_content(self) -> None:
        """Chunks that came without their last one are forgotten."""
        if isinstance(self._chunks, ChunkedContent) and self._size <= self._profile.size_bytes:
            self._events.append(ContentDropped())

    def _rset(self, argument: bytes) -> None:
        del argument
        self._give_up_content()
        self._reset()
        if self._count_idle():
            self.outgoing.append(replies.OK)

    def _noop(self, argument: bytes) -> None:
        del argument
        if self._count_idle():
            self.outgoing.append(replies.OK)

    def _vrfy(self, argument: bytes) -> None:
        del argument
        if self._count_idle():
            self.outgoing.append(replies.CAN_NOT_VERIFY)

    def _help(self, argument: bytes) -> None:
        del argument
        if self._count_idle():
            self.outgoing.append(replies.HELP)

    def _quit(self, argument: bytes) -> None:
        del argument
        self._end(replies.GOODBYE, "")

    def _starttls(self, argument: bytes, rest: bytes) -> None:
        if self.is_encrypted:
            self._refuse(replies.ALREADY_ENCRYPTED)
        elif not self._may_encrypt:
            self._refuse(replies.NO_TLS)
        elif argument:
            self._refuse(replies.ARGUMENT_REFUSED)
        elif self.envelope is not None or self.is_signed_in:
            self._refuse(replies.AUTH_NOT_NOW)
        elif rest:
            self._end(replies.AFTER_STARTTLS, "octets between STARTTLS and TLS")
        else:
            self._answer_due = True
            self.outgoing.append(replies.START_TLS)
            self._events.append(TlsWanted())

    def _auth(self, argument: bytes) -> None:
        mechanism, _, initial = argument.partition(b" ")
        name = mechanism.upper().decode("ascii", "replace")
        if not self._takes_sign_in:
            self._refuse(replies.NO_AUTH)
        elif not self.client_name:
            self._refuse(replies.EHLO_FIRST)
        elif self.is_signed_in:
            self._refuse(replies.ALREADY_SIGNED_IN)
        elif self.envelope is not None:
            self._refuse(replies.AUTH_NOT_NOW)
        elif self._needs_tls and not self.is_encrypted:
            self._refuse(replies.TLS_NEEDED)
        elif name not in MECHANISMS:
            self._refuse(replies.UNKNOWN_MECHANISM)
        else:
            self._sign_in = sign_in = SignIn(cast(Literal["PLAIN", "LOGIN"], name))
            if initial:
                self._take_sign_in(initial)
            else:
                self.outgoing.append(sign_in.first_challenge())

    def _take_sign_in(self, said: bytes) -> None:
        sign_in, self._sign_in = cast(SignIn, self._sign_in), None
        taken = sign_in.take(said)
        if isinstance(taken, bytes):
            self._sign_in = sign_in
            self.outgoing.append(taken)
        else:
            self._answer_due = True
            self._events.append(AuthWanted(*taken))

    # Refusing and ending.

    def _refuse(self, reply: bytes) -> None:
        """Whoever only makes errors is not listened to for long; that we can't is none, unless it goes on and on."""
        self.outgoing.append(reply)
        if not reply.startswith(b"5"):
            self._put_off += 1
            if self._put_off <= self._profile.overshoot:
                return
        self._errors += 1
        if self._errors >= self._profile.errors:
            self._end(replies.TOO_MANY_ERRORS, "too many errors")

    def _count_idle(self) -> bool:
        self._idle_commands += 1
        if self._idle_commands > self._profile.idle_commands:
            self._end(replies.TOO_MANY_COMMANDS, "too many commands without mail")
            return False
        return True

    def _end(self, reply: bytes, reason: str) -> None:
        if self._content is not None and self._size <= self._profile.size_bytes:
            self._events.append(ContentDropped())
        self._give_up_content()
        self.outgoing.append(reply)
        self.ended = True
        self._reset()
        self._events.append(SessionEnds(reason))

    _COMMANDS: ClassVar[Mapping[bytes, Callable[["ServerSession", bytes], None]]] = {
        b"MAIL": _mail, b"RCPT": _rcpt, b"DATA": _data, b"BDAT": _bdat, b"EHLO": _ehlo, b"HELO": _helo,
        b"RSET": _rset, b"NOOP": _noop, b"QUIT": _quit, b"VRFY": _vrfy, b"HELP": _help, b"AUTH": _auth,
        b"STARTTLS": _noop,
    }
