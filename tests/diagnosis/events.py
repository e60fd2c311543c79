"""Sessions as plain events, for findings without a network."""

from collections.abc import Sequence
from datetime import UTC, datetime

from postroom.diagnosis.explain import finding_of
from postroom.diagnosis.session_evidence import evidence_of
from postroom.smtp.trace import (
    AddressTried,
    CertificateSeen,
    Event,
    ExtensionsSeen,
    NameResolved,
    OurRefusal,
    PeerFault,
    ReplyReceived,
    StageEnded,
    StageStarted,
    TlsEnded,
)
from postroom.terms.envelope import RecipientResult
from postroom.terms.finding import Finding
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply
from postroom.terms.server import Auth, Security, ServerSettings

SETTINGS = ServerSettings(
    host="mail.norrvik.example", port=587, security=Security.STARTTLS, from_address="reports@norrvik.example",
    test_recipient="anna@customer.example",
)
WITH_LOGIN = SETTINGS.changed(auth=Auth.PASSWORD, username="reports@norrvik.example")


def reply(code: int, *lines: str) -> Reply:
    return Reply(code, lines)


def refused(stage: Stage, code: int, *lines: str) -> list[Event]:
    """A stage that a reply ended."""
    return [StageStarted(1.0, stage), ReplyReceived(1.1, reply(code, *lines), stage), StageEnded(1.2, stage, False)]


def faulted(stage: Stage, kind: str, text: str = "", octets: bytes = b"") -> list[Event]:
    """A stage that the peer broke."""
    fault = PeerFault(1.1, stage, kind, text, octets)  # type: ignore[arg-type]
    return [StageStarted(1.0, stage), fault, StageEnded(1.2, stage, False, text)]


def stopped(stage: Stage, reason: str, text: str = "") -> list[Event]:
    """A stage at which we stopped."""
    return [StageStarted(1.0, stage), OurRefusal(1.1, stage, reason, text), StageEnded(1.2, stage, False, text)]


def resolved(error: str) -> list[Event]:
    return [
        StageStarted(0.0, Stage.RESOLVE),
        NameResolved(0.1, "mail.norrvik.example", (), error, error),
        StageEnded(0.1, Stage.RESOLVE, False, error),
    ]


def unconnected(*errors: tuple[str, str]) -> list[Event]:
    """Addresses tried, each with its error."""
    tried = [AddressTried(1.0, address, 587, 0.1, error, error) for address, error in errors]
    return [StageStarted(0.0, Stage.CONNECT), *tried, StageEnded(1.0, Stage.CONNECT, False)]


def greeted(line: str, *extensions: str, over_tls: bool = False) -> list[Event]:
    """Greeting and EHLO that went well; an extension is its keyword with parameters, as "AUTH PLAIN LOGIN"."""
    offered = {words[0]: tuple(words[1:]) for words in (e.split() for e in extensions)}
    return [
        ReplyReceived(0.5, reply(220, line), Stage.GREETING),
        StageEnded(0.5, Stage.GREETING, True),
        ReplyReceived(0.6, reply(250, line.split()[0], *extensions), Stage.EHLO),
        ExtensionsSeen(0.6, offered, over_tls, offered.get("AUTH", ())),
        StageEnded(0.6, Stage.EHLO, True),
    ]


def certificate(
    position: int = 0, *, subject: str = "CN=mail.norrvik.example", issuer: str = "CN=R11,O=Let's Encrypt,C=US",
    names: Sequence[str] = ("mail.norrvik.example",), ends: datetime = datetime(2027, 5, 1, tzinfo=UTC),
    is_ca: bool = False, self_signed: bool = False,
) -> CertificateSeen:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return CertificateSeen(
        position, subject, issuer, tuple(names), began, ends, "RSA 2048", "sha256", is_ca=is_ca, self_signed=self_signed
    )


def untrusted(code: int, text: str, *chain: CertificateSeen) -> list[Event]:
    """A certificate that was not accepted, with OpenSSL's code and text."""
    ended = TlsEnded(
        1.0, chain=chain or (certificate(),), error="certificate", error_text=text, verify_code=code, verify_text=text
    )
    return [StageStarted(1.0, Stage.CERTIFICATE), ended, StageEnded(1.1, Stage.CERTIFICATE, False, text)]


def unshaken(error: str, text: str = "", octets: bytes = b"") -> list[Event]:
    """A TLS handshake that failed."""
    ended = TlsEnded(1.0, error=error, error_text=text, first_bytes=octets)
    return [StageStarted(0.9, Stage.STARTTLS), ended, StageEnded(1.1, Stage.STARTTLS, False, text)]


def unsent(stage: Stage, code: int, *lines: str) -> RecipientResult:
    """A recipient that a reply refused."""
    outcome = Outcome.DEFERRED if code < 500 else Outcome.FAILED
    return RecipientResult("anna@customer.example", outcome, stage, reply(code, *lines))


def finding(
    events: Sequence[Event], settings: ServerSettings = WITH_LOGIN, *results: RecipientResult,
    secret_facts: tuple[str, ...] = (), language: str = "en",
) -> Finding:
    return finding_of(evidence_of(events, settings, results, secret_facts=secret_facts), language)
