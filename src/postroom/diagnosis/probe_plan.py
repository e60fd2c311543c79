"""After a failure, which closer looks tell its causes apart, and what they add to the evidence. Pure; flow/probe looks.

A look carries no credential. There are at most `LOOKS`, and they run side by side.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from postroom.smtp.trace import AddressTried, NameResolved, TlsEnded
from postroom.terms.limits import MAIL_PORTS, SUBMISSIONS_PORT
from postroom.terms.outcome import Stage
from postroom.terms.server import Security, ServerSettings

from .evidence import Evidence
from .speaker import first_lines, speaker_of

LOOKS = 6
# A name that exists as long as the DNS does (RFC 2606 section 3): does the resolver answer at all?
CONTROL_NAME = "example.com"
# Fewer octets tell no protocol: a slow server may send them one by one.
FEWEST_OCTETS = 4


class LookKind(StrEnum):
    """What is looked at."""

    TLS_HELLO = "tls-hello"
    STARTTLS_HELLO = "starttls-hello"
    OLDEST_TLS = "oldest-tls"
    FIRST_WORDS = "first-words"
    FIRST_WORDS_OVER_TLS = "first-words-over-tls"
    PORT_OPEN = "port-open"
    OTHER_NAME = "other-name"
    MAIL_EXCHANGERS = "mail-exchangers"


@dataclass(frozen=True, slots=True)
class Look:
    """One look, at a port of the server's address or at a name."""

    kind: LookKind
    port: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look showed, in the field of its kind. No mail exchangers and no first words are answers too."""

    look: Look
    tls: TlsEnded | None = None
    words: bytes = b""
    tried: AddressTried | None = None
    resolved: NameResolved | None = None
    exchangers: tuple[str, ...] = ()


def looks_for(evidence: Evidence, settings: ServerSettings) -> tuple[Look, ...]:
    """The looks that discriminate between what this evidence could mean; none when it decides by itself."""
    stage, symptoms, port = evidence.stage, evidence.symptoms, settings.port
    if stage is Stage.RESOLVE:
        return _name_looks(symptoms, settings.host)
    if stage is Stage.CONNECT and symptoms & {"connect-refused", "connect-timeout"}:
        return tuple(Look(LookKind.PORT_OPEN, other) for other in MAIL_PORTS if other != port)[:LOOKS]
    if stage is Stage.GREETING and symptoms & {"timeout", "closed", "reset"}:
        if settings.security is Security.TLS:
            return (Look(LookKind.FIRST_WORDS_OVER_TLS, port),)
        kinds = (LookKind.TLS_HELLO, LookKind.FIRST_WORDS, LookKind.FIRST_WORDS_OVER_TLS)
        return tuple(Look(kind, port) for kind in kinds)
    if "starttls-not-offered" in symptoms and port != SUBMISSIONS_PORT:
        return (Look(LookKind.TLS_HELLO, SUBMISSIONS_PORT),)
    if stage in (Stage.STARTTLS, Stage.CERTIFICATE):
        return _handshake_looks(symptoms, settings)
    return ()


def _name_looks(symptoms: frozenset[str], host: str) -> tuple[Look, ...]:
    if "resolver-failed" in symptoms:
        return (Look(LookKind.OTHER_NAME, name=CONTROL_NAME),)
    if "no-address" in symptoms:
        return (Look(LookKind.MAIL_EXCHANGERS, name=host),)
    return ()


def _handshake_looks(symptoms: frozenset[str], settings: ServerSettings) -> tuple[Look, ...]:
    port = settings.port
    if symptoms & {"tls-protocol-version", "tls-no-cipher", "tls-alert"}:
        return (Look(LookKind.OLDEST_TLS, port),)
    if settings.security is not Security.TLS:
        return ()
    if "speaks-smtp" in symptoms:
        return (Look(LookKind.STARTTLS_HELLO, port),)
    if symptoms & {"tls-timeout", "tls-closed", "tls-reset", "tls-other"}:
        return (Look(LookKind.FIRST_WORDS, port), Look(LookKind.STARTTLS_HELLO, port))
    return ()


def with_looks(evidence: Evidence, seen: Iterable[Seen]) -> Evidence:
    """The evidence with what the looks showed."""
    all_seen = tuple(seen)
    for one in all_seen:
        evidence = _with_look(evidence, one)
    return _with_ports(evidence, all_seen)


def _with_look(evidence: Evidence, seen: Seen) -> Evidence:
    match seen.look.kind:
        case LookKind.OTHER_NAME if seen.resolved:
            fails = seen.resolved.error == "temporary"
            return evidence.with_facts("other-names-fail" if fails else "other-names-resolve")
        case LookKind.MAIL_EXCHANGERS if seen.exchangers:
            names = ", ".join(seen.exchangers[:3])
            return evidence.with_facts(
                "has-mail-exchanger",
                values={"mail_exchangers": names, "exchanger": seen.exchangers[0]},
                quotes=(f"{seen.look.name}: MX {names}",),
            )
        case LookKind.FIRST_WORDS | LookKind.FIRST_WORDS_OVER_TLS if seen.words:
            return _with_words(evidence, seen.words)
        case LookKind.FIRST_WORDS:
            return evidence.with_facts("says-nothing")
        case LookKind.TLS_HELLO if seen.tls:
            return _with_hello(evidence, seen.look, seen.tls)
        case LookKind.STARTTLS_HELLO if seen.tls:
            return _with_starttls(evidence, seen.tls)
        case LookKind.OLDEST_TLS if seen.tls:
            return _with_oldest(evidence, seen.tls)
        case _:
            return evidence


def _with_words(evidence: Evidence, words: bytes) -> Evidence:
    if len(words) < FEWEST_OCTETS:
        return evidence
    return evidence.with_facts(*speaker_of(words).symptoms, quotes=first_lines(words))


def _with_hello(evidence: Evidence, look: Look, tls: TlsEnded) -> Evidence:
    if look.port == SUBMISSIONS_PORT and evidence.symptoms & {"starttls-not-offered"}:
        if tls.error:
            return evidence
        proposal = {"port": SUBMISSIONS_PORT, "security": str(Security.TLS)}
        return evidence.with_facts(proposals={"starttls-not-offered": proposal})
    if not tls.error or tls.error in ("protocol-version", "no-cipher", "alert"):
        quote = f"the port answers a TLS handshake ({tls.version or tls.error})"
        return evidence.with_facts("speaks-tls", quotes=(quote,))
    return _with_words(evidence, tls.first_bytes) if tls.first_bytes else evidence


def _with_starttls(evidence: Evidence, tls: TlsEnded) -> Evidence:
    """A hello after STARTTLS: it worked, or plain SMTP was spoken and STARTTLS refused."""
    if not tls.error:
        return evidence.with_facts("speaks-smtp", "starttls-offered")
    if "refused" in tls.error_text:
        return evidence.with_facts("no-starttls-seen")
    return evidence


def _with_oldest(evidence: Evidence, tls: TlsEnded) -> Evidence:
    if tls.error:
        return evidence
    quotes = (f"with old versions and ciphers allowed the server agrees on {tls.version}, {tls.cipher}",)
    if tls.version in ("TLS 1", "TLS 1.0", "TLS 1.1", "SSLv3"):
        return evidence.with_facts("server-tls-old", quotes=quotes)
    return evidence.with_facts("server-ciphers-weak", quotes=quotes)


def _with_ports(evidence: Evidence, seen: Sequence[Seen]) -> Evidence:
    """Other mail ports of the same host that take a connection; the safest is proposed."""
    answering = [s.look.port for s in seen if s.look.kind is LookKind.PORT_OPEN and s.tried and not s.tried.error]
    if not answering:
        return evidence
    best = next((p for p in (587, 465, 2525, 25) if p in answering), answering[0])
    security = {465: "tls", 25: "none"}.get(best, "starttls")
    proposal: dict[str, object] = {"port": best} if best == 25 else {"port": best, "security": security}
    return evidence.with_facts(
        "other-ports-answer",
        values={"open_ports": f"port {best}"},
        proposals={"connect-refused-no-listener": proposal, "submission-port-blocked": proposal},
        quotes=(f"other ports that answer: {', '.join(map(str, answering))}",),
    )
