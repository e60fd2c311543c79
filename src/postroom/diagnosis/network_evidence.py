"""Facts of name resolution and TCP connect."""

import ipaddress
from collections.abc import Sequence

from postroom.smtp.trace import AddressTried, Event, NameResolved
from postroom.terms.outcome import Stage
from postroom.terms.server import ServerSettings

from .evidence import Evidence

_RESOLVE_SYMPTOMS = {
    "nxdomain": "name-not-found",
    "no-address": "no-address",
    "temporary": "resolver-failed",
    "invalid": "name-invalid",
}


def with_network(evidence: Evidence, events: Sequence[Event], settings: ServerSettings) -> Evidence:
    """Adds what looking up and connecting came to; connect errors only when no address could be connected."""
    resolved = [e for e in events if isinstance(e, NameResolved)]
    tried = [e for e in events if isinstance(e, AddressTried)]
    for event in resolved:
        if event.error:
            symptom = _RESOLVE_SYMPTOMS.get(event.error, "name-not-found")
            evidence = evidence.with_facts(symptom, quotes=(f"{event.host}: {event.error_text or event.error}",))
    addresses = tuple(e.address for e in tried) or tuple(a for e in resolved for a in e.addresses)
    evidence = evidence.with_facts(
        *_address_symptoms(addresses, settings.host), values={"addresses": ", ".join(dict.fromkeys(addresses))}
    )
    if evidence.stage is not Stage.CONNECT:
        return evidence
    errors = {e.error for e in tried if e.error}
    quotes = tuple(_quote(e) for e in tried if e.error)
    return evidence.with_facts(*_connect_symptoms(tried, errors), quotes=quotes[:4])


_PLAIN_WORDS = {
    "refused": "connection refused", "timeout": "connection timed out", "unreachable": "network is unreachable",
    "denied": "permission denied", "reset": "connection reset",
}


def _quote(event: AddressTried) -> str:
    words = _PLAIN_WORDS.get(event.error, event.error_text or event.error)
    return f"{event.address} port {event.port}: {words} ({event.seconds:.1f} s)"


def _connect_symptoms(tried: Sequence[AddressTried], errors: set[str]) -> list[str]:
    symptoms = [f"connect-{error}" for error in sorted(errors)]
    by_family: dict[int, set[str]] = {4: set(), 6: set()}
    for event in tried:
        by_family[_version(event.address)].add(event.error)
    if by_family[6] and by_family[6] <= {"unreachable", "other"}:
        symptoms.append("ipv6-unreachable")
        if not by_family[4]:
            symptoms.append("only-ipv6-unreachable")
    if not by_family[6] and by_family[4] == {"unreachable"}:
        symptoms.append("only-ipv4-unreachable")
    return symptoms


def _address_symptoms(addresses: Sequence[str], host: str) -> list[str]:
    symptoms = []
    if addresses and all(_is_loopback(a) for a in addresses):
        symptoms.append("loopback")
    if addresses and all(_version(a) == 6 for a in addresses):
        symptoms.append("only-ipv6")
    if host.strip().lower() in ("localhost", "127.0.0.1", "::1", "localhost.localdomain"):
        symptoms.append("host-is-localhost")
    return symptoms


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
