"""Typed events of one session, from name look-up to QUIT. Evidence and the redacted transcript are both made of them.

Secrets never enter: an authentication step carries its mechanism and a label of what was sent, never the octets.
`at_s` is seconds since the session began, from a monotonic clock that net/ owns.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply


@dataclass(frozen=True, slots=True)
class StageStarted:
    at_s: float
    stage: Stage


@dataclass(frozen=True, slots=True)
class StageEnded:
    """`detail` is one short line for people, such as "TLS 1.3, TLS_AES_256_GCM_SHA384"."""

    at_s: float
    stage: Stage
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NameResolved:
    """`addresses` in the order they will be tried.

    `error` is "" or one of "nxdomain", "no-address", "temporary", "invalid".
    """

    at_s: float
    host: str
    addresses: tuple[str, ...]
    error: str = ""
    error_text: str = ""


@dataclass(frozen=True, slots=True)
class AddressTried:
    """One TCP connect.

    `error` is "" (connected) or "refused", "timeout", "unreachable", "denied" (local policy), "reset", "not-allowed"
    (egress rule), "other".
    """

    at_s: float
    address: str
    port: int
    seconds: float
    error: str = ""
    error_text: str = ""
    local_address: str = ""


@dataclass(frozen=True, slots=True)
class CommandSent:
    """A command line as it left, without CR LF; secrets replaced by `[… hidden]` labels before this is made."""

    at_s: float
    line: str


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    at_s: float
    reply: Reply
    stage: Stage
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ContentSent:
    at_s: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ExtensionsSeen:
    """What EHLO offered: keyword (upper case) to parameters. `over_tls` tells EHLO before TLS from EHLO after it."""

    at_s: float
    extensions: dict[str, tuple[str, ...]]
    over_tls: bool
    mechanisms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateSeen:
    """One certificate of the chain, leaf first (`position` 0)."""

    position: int
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key: str = ""
    signature: str = ""
    sha256: str = ""
    is_ca: bool = False
    self_signed: bool = False


@dataclass(frozen=True, slots=True)
class TlsEnded:
    """A TLS handshake came to its end.

    `error` is "" or one of "certificate" (verification failed: see `verify_code`, `verify_text` of OpenSSL),
    "protocol-version", "not-tls" (the peer spoke something else: `first_bytes`), "no-cipher", "alert", "closed",
    "reset", "timeout", "other".
    `chain` is what the server sent, also after a failed verification where it could be read.
    """

    at_s: float
    version: str = ""
    cipher: str = ""
    chain: tuple[CertificateSeen, ...] = ()
    verified: bool = False
    error: str = ""
    error_text: str = ""
    verify_code: int = 0
    verify_text: str = ""
    first_bytes: bytes = b""
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class PeerFault:
    """The peer broke the protocol or stopped.

    `kind`: "closed", "reset", "timeout", "malformed" (not SMTP: `octets` holds the first bytes), "too-long", "endless",
    "injection" (bytes before TLS, RFC 3207), "unsolicited" (a reply nobody asked for), "pipelining" (lost replies).
    """

    at_s: float
    stage: Stage
    kind: Literal[
        "closed", "reset", "timeout", "malformed", "too-long", "endless", "injection", "unsolicited", "pipelining"
    ]
    text: str = ""
    octets: bytes = b""


@dataclass(frozen=True, slots=True)
class OurRefusal:
    """We stopped on purpose.

    `reason`: "starttls-not-offered", "auth-needs-tls", "no-mechanism", "auth-not-offered", "needs-smtputf8",
    "needs-8bitmime", "too-large", "host-invalid".
    """

    at_s: float
    stage: Stage
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """A remark in the transcript that is nobody's words."""

    at_s: float
    text: str


Event = (
    StageStarted | StageEnded | NameResolved | AddressTried | CommandSent | ReplyReceived | ContentSent | ExtensionsSeen
    | TlsEnded | PeerFault | OurRefusal | Note
)


@dataclass(slots=True)
class Trace:
    """The events of one session in order; append-only."""

    events: list[Event] = field(default_factory=list)

    def append(self, event: Event) -> None:
        self.events.append(event)
