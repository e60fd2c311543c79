"""What happened in a session that its owner has to act on."""

from dataclasses import dataclass, field

from .envelope import ReceivedEnvelope


@dataclass(frozen=True, slots=True)
class AuthWanted:
    """The client signs in; `ServerSession.signed_in` or `sign_in_refused` is due."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsWanted:
    """STARTTLS was answered with 220: the next octet belongs to the handshake; `ServerSession.encrypted` after it."""


@dataclass(frozen=True, slots=True)
class ContentBegins:
    """Content of a message to `envelope` follows."""

    envelope: ReceivedEnvelope


@dataclass(frozen=True, slots=True)
class ContentPart:
    """Octets of the content, unstuffed."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContentEnds:
    """The content is complete; `ServerSession.answer` is due with the reply."""


@dataclass(frozen=True, slots=True)
class ContentDropped:
    """The content that began will not be complete, or is too large: forget it. No answer is due."""


@dataclass(frozen=True, slots=True)
class SessionEnds:
    """Close once the replies are written. `reason` is for the log."""

    reason: str


Event = AuthWanted | TlsWanted | ContentBegins | ContentPart | ContentEnds | ContentDropped | SessionEnds
