"""After a failure, which closer looks tell its causes apart, and what they add to the evidence. Pure; flow/probes/probe
looks.

A look carries no credential. There are at most `LOOKS`; they run side by side, those that need the answer of another
one after it.
"""

from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from postroom.smtp.trace import NameResolved, TlsEnded
from postroom.terms.outcome import Stage
from postroom.terms.server import Security, ServerSettings

from .detour import Detour, DetourSeen
from .detour_plan import detours_by_exchanger, detours_for, domain_of, exchangers_wanted
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
    OLDEST_TLS = "oldest-tls"
    FIRST_WORDS = "first-words"
    FIRST_WORDS_OVER_TLS = "first-words-over-tls"
    OTHER_NAME = "other-name"
    MAIL_EXCHANGERS = "mail-exchangers"
    DETOUR = "detour"


@dataclass(frozen=True, slots=True)
class Look:
    """One look, at a port of the server's address, at a name, or along another way to send."""

    kind: LookKind
    port: int = 0
    name: str = ""
    detour: Detour | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look showed, in the field of its kind. No mail exchangers and no first words are answers too."""

    look: Look
    tls: TlsEnded | None = None
    words: bytes = b""
    resolved: NameResolved | None = None
    exchangers: tuple[str, ...] = ()
    detour: DetourSeen | None = None


def looks_for(
    cause: str,
    evidence: Evidence,
    settings: ServerSettings,
    ports: Container[int],
    known_hosts: Collection[str] = (),
) -> tuple[Look, ...]:
    """The looks that discriminate between what this evidence could mean, and those at other ways to send.

    `cause` is what the evidence says so far. No other port than `ports` is looked at. A mistyped host may mean one of
    `known_hosts`.
    """
    detours = detours_for(cause, evidence, settings, known_hosts)
    looks = [*_discriminating(evidence, settings), *map(_detour_look, detours)]
    if domain := exchangers_wanted(cause, evidence, settings):
        looks.append(Look(LookKind.MAIL_EXCHANGERS, name=domain))
    return _bounded(looks, ports, LOOKS)


def looks_after(
    cause: str, settings: ServerSettings, seen: Sequence[Seen], ports: Container[int]
) -> tuple[Look, ...]:
    """The looks that only the first ones made possible: at what a domain's mail exchangers lead to."""
    found = next((one.exchangers for one in seen if one.exchangers), ())
    looks = [_detour_look(way) for way in detours_by_exchanger(cause, found, settings)]
    known = {one.look.detour.key for one in seen if one.look.detour}
    new = [look for look in looks if look.detour and look.detour.key not in known]
    return _bounded(new, ports, LOOKS - len(seen))


def _detour_look(detour: Detour) -> Look:
    return Look(LookKind.DETOUR, detour.port, detour.host, detour)


def _bounded(looks: Sequence[Look], ports: Container[int], most: int) -> tuple[Look, ...]:
    return tuple(look for look in looks if not look.port or look.port in ports)[: max(0, most)]


def _discriminating(evidence: Evidence, settings: ServerSettings) -> tuple[Look, ...]:
    stage, symptoms, port = evidence.stage, evidence.symptoms, settings.port
    if stage is Stage.RESOLVE and "resolver-failed" in symptoms:
        return (Look(LookKind.OTHER_NAME, name=CONTROL_NAME),)
    if stage is Stage.GREETING and symptoms & {"timeout", "closed", "reset"}:
        if settings.security is Security.TLS:
            return (Look(LookKind.FIRST_WORDS_OVER_TLS, port),)
        kinds = (LookKind.TLS_HELLO, LookKind.FIRST_WORDS, LookKind.FIRST_WORDS_OVER_TLS)
        return tuple(Look(kind, port) for kind in kinds)
    if stage in (Stage.STARTTLS, Stage.CERTIFICATE):
        if symptoms & {"tls-protocol-version", "tls-no-cipher", "tls-alert"}:
            return (Look(LookKind.OLDEST_TLS, port),)
        if settings.security is Security.TLS and symptoms & {"tls-timeout", "tls-closed", "tls-reset", "tls-other"}:
            return (Look(LookKind.FIRST_WORDS, port),)
    return ()


def with_looks(evidence: Evidence, settings: ServerSettings, seen: Iterable[Seen]) -> Evidence:
    """The evidence with what the looks showed, and the change to the first way that would work."""
    all_seen = tuple(seen)
    for one in all_seen:
        evidence = _with_look(evidence, one)
    return _with_detours(evidence, settings, [one.detour for one in all_seen if one.detour])


def _with_look(evidence: Evidence, seen: Seen) -> Evidence:
    match seen.look.kind:
        case LookKind.OTHER_NAME if seen.resolved:
            fails = seen.resolved.error == "temporary"
            return evidence.with_facts("other-names-fail" if fails else "other-names-resolve")
        case LookKind.MAIL_EXCHANGERS if seen.exchangers and evidence.stage is Stage.RESOLVE:
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
            return _with_hello(evidence, seen.tls)
        case LookKind.OLDEST_TLS if seen.tls:
            return _with_oldest(evidence, seen.tls)
        case _:
            return evidence


def _with_words(evidence: Evidence, words: bytes) -> Evidence:
    if len(words) < FEWEST_OCTETS:
        return evidence
    return evidence.with_facts(*speaker_of(words).symptoms, quotes=first_lines(words))


def _with_hello(evidence: Evidence, tls: TlsEnded) -> Evidence:
    if not tls.error or tls.error in ("protocol-version", "no-cipher", "alert"):
        quote = f"the port answers a TLS handshake ({tls.version or tls.error})"
        return evidence.with_facts("speaks-tls", quotes=(quote,))
    return _with_words(evidence, tls.first_bytes) if tls.first_bytes else evidence


def _with_oldest(evidence: Evidence, tls: TlsEnded) -> Evidence:
    if tls.error:
        return evidence
    quotes = (f"with old versions and ciphers allowed the server agrees on {tls.version}, {tls.cipher}",)
    if tls.version in ("TLS 1", "TLS 1.0", "TLS 1.1", "SSLv3"):
        return evidence.with_facts("server-tls-old", quotes=quotes)
    return evidence.with_facts("server-ciphers-weak", quotes=quotes)


def _with_detours(evidence: Evidence, settings: ServerSettings, walked: Sequence[DetourSeen]) -> Evidence:
    for one in walked:
        evidence = _with_detour(evidence, settings, one)
    reached = frozenset(evidence.values.get("addresses", "").split(", "))
    way = next((one.detour for one in walked if one.leads_there(settings, reached)), None)
    open_ports = [one.detour.port for one in walked if one.is_open]
    if evidence.stage is Stage.CONNECT and open_ports:
        best = way.port if way else open_ports[0]
        evidence = evidence.with_facts(
            "other-ports-answer",
            values={"open_ports": f"port {best}"},
            quotes=(f"other ports that answer: {', '.join(map(str, open_ports))}",),
        )
    if way is None:
        return evidence
    values = {"way": way.place, "way_host": way.host, "own_domain": domain_of(settings.from_address)}
    return replace(evidence.with_facts(values=values), proposal=dict(way.change), consequence=way.consequence)


def _with_detour(evidence: Evidence, settings: ServerSettings, walked: DetourSeen) -> Evidence:
    """What the same port showed when it was spoken to in clear where TLS had failed."""
    way = walked.detour
    if settings.security is not Security.TLS or way.key != (settings.host, settings.port, Security.STARTTLS):
        return evidence
    if not walked.greets:
        return evidence
    if walked.lacks_starttls or not walked.starts_tls:
        return evidence.with_facts("speaks-smtp", "no-starttls-seen")
    return evidence.with_facts("speaks-smtp", "starttls-offered")
