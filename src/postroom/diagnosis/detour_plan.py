"""Which other ways to send are worth walking after a failure, in the order in which they would be proposed. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any

from postroom.terms.host_name import host_reading
from postroom.terms.limits import ALTERNATIVE_PORT, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT
from postroom.terms.outcome import Stage
from postroom.terms.server import Auth, Security, ServerSettings

from .catalogue import catalogue
from .catalogue.provider import provider_of
from .detour import Detour
from .evidence import Evidence

# How alike two names are that one slip of the fingers tells apart, of 1.
ALIKE = 0.85
_FIRST_LABELS = ("smtp", "mail")
_DIRECT_SEND = (".mail.protection.outlook.com", ".mx.microsoft")
_WITH_TLS = (
    (SUBMISSION_PORT, Security.STARTTLS), (SUBMISSIONS_PORT, Security.TLS), (ALTERNATIVE_PORT, Security.STARTTLS),
)
# The cause is that a sign-in is wanted, and none is configured.
_WANTS_SIGN_IN = ("auth-credentials-missing", "relay-denied")
# What may be said on a port where mail is taken all the same, in another way than the configured one.
_SPEAKS_MAIL = ("speaks-smtp", "speaks-tls", "speaks-slowly", "speaks-unknown")
_WANTS_TLS = ("auth-without-encryption", "auth-not-offered-without-tls", "starttls-required-not-used")


def detours_for(
    cause: str, evidence: Evidence, settings: ServerSettings, known_hosts: Collection[str] = ()
) -> tuple[Detour, ...]:
    """The ways worth walking after a failure of this cause; none where the evidence leaves nothing to try.

    `known_hosts` are names of which a mistyped one may be meant.
    """
    stage, symptoms = evidence.stage, evidence.symptoms
    if any(s.startswith("host-") for s in symptoms) and "proposed_host" in evidence.values:
        return _meant_host(evidence, settings)
    if stage is Stage.RESOLVE and symptoms & {"name-not-found", "no-address"}:
        return _other_names(settings, known_hosts, has_no_address="no-address" in symptoms)
    if stage is Stage.CONNECT and symptoms & {"connect-refused", "connect-timeout"}:
        return _other_ports(settings)
    if any(s.startswith("speaks-") and s not in _SPEAKS_MAIL for s in symptoms):
        return _ports_with_tls(settings)[:2]
    if stage is Stage.GREETING and symptoms & {"timeout", "closed", "reset"} and settings.security is not Security.TLS:
        return (*_same_port(settings, Security.TLS), *_ports_with_tls(settings)[:1])
    if stage in (Stage.STARTTLS, Stage.CERTIFICATE):
        return _around_tls(cause, evidence, settings)
    if cause in _WANTS_TLS:
        return (*_same_port(settings, Security.STARTTLS), *_ports_with_tls(settings)[:2])
    if "auth-not-offered" in symptoms and stage is Stage.AUTHENTICATE:
        return (*_ports_with_tls(settings)[:2], *_without_sign_in(settings))
    if cause in _WANTS_SIGN_IN and settings.auth is Auth.NONE:
        return _with_sign_in(settings)
    return ()


def exchangers_wanted(cause: str, evidence: Evidence, settings: ServerSettings) -> str:
    """The domain whose mail exchangers could be a way, "" where they are of no use."""
    if evidence.stage is Stage.RESOLVE and "no-address" in evidence.symptoms:
        return settings.host.strip().lower()
    if cause in ("auth-smtp-auth-disabled", "auth-basic-auth-disabled") and evidence.provider == "microsoft365":
        return domain_of(settings.from_address)
    return ""


def detours_by_exchanger(cause: str, exchangers: Sequence[str], settings: ServerSettings) -> tuple[Detour, ...]:
    """The ways that a domain's mail exchangers open: a provider's submission host, or straight to a tenant's door."""
    if not exchangers:
        return ()
    first = exchangers[0].lower()
    if cause.startswith("auth-"):
        return _direct_send(first, settings)
    provider = provider_of((p for p in catalogue().providers if p.submission), host=first, greeting="", text="")
    hosts = [provider.submission] if provider and provider.owns(first) else [first]
    return tuple(_changed(settings, host=host, port=p, security=s) for host in hosts for p, s in _WITH_TLS[:2])


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _changed(settings: ServerSettings, **change: Any) -> Detour:
    """A detour to the changed settings; `change` keeps only what differs."""
    meant = settings.changed(**change)
    differs = {name: _plain(value) for name, value in change.items() if getattr(settings, name) != value}
    envelope = _envelope(settings) if meant.auth is Auth.NONE else None
    return Detour(meant.host, meant.port, meant.security, differs, envelope)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Security | Auth) else value


def _envelope(settings: ServerSettings) -> tuple[str, str] | None:
    if settings.from_address and settings.test_recipient:
        return settings.from_address, settings.test_recipient
    return None


def _meant_host(evidence: Evidence, settings: ServerSettings) -> tuple[Detour, ...]:
    host, written = evidence.values["proposed_host"], evidence.values.get("proposed_port", "")
    if not host or "host-user" in evidence.symptoms:
        return ()
    return (_changed(settings, host=host, port=int(written) if written else settings.port),)


def _other_names(
    settings: ServerSettings, known_hosts: Collection[str], *, has_no_address: bool
) -> tuple[Detour, ...]:
    """Names that differ from the entered one by a slip, and the usual names of mail servers under a bare domain."""
    host = settings.host.strip().lower()
    known = sorted({*known_hosts, *(p.submission for p in catalogue().providers if p.submission)})
    names = get_close_matches(host, known, 2, ALIKE)
    label, _, rest = host.partition(".")
    if "." in rest and label not in _FIRST_LABELS:
        names += [f"{first}.{rest}" for first in get_close_matches(label, _FIRST_LABELS, 1, 0.7)]
    own = domain_of(settings.from_address)
    if has_no_address or host == own:
        names += [f"{first}.{host}" for first in _FIRST_LABELS]
    if own and rest and rest != own and get_close_matches(rest, [own], 1, ALIKE):
        names.append(f"{label}.{own}")
    return tuple(_changed(settings, host=name) for name in dict.fromkeys(names) if name != host)


def _other_ports(settings: ServerSettings) -> tuple[Detour, ...]:
    ways = list(_ports_with_tls(settings))
    if settings.security is Security.NONE:
        ways.append(_changed(settings, port=SMTP_PORT))
    else:
        ways.append(_changed(settings, port=SMTP_PORT, security=Security.STARTTLS))
    return tuple(way for way in ways if way.port != settings.port)


def _ports_with_tls(settings: ServerSettings) -> tuple[Detour, ...]:
    """The usual ports beside the present one, each encrypted in its usual way."""
    return tuple(_changed(settings, port=p, security=s) for p, s in _WITH_TLS if p != settings.port)


def _same_port(settings: ServerSettings, security: Security) -> tuple[Detour, ...]:
    return (_changed(settings, security=security),) if security is not settings.security else ()


def _around_tls(cause: str, evidence: Evidence, settings: ServerSettings) -> tuple[Detour, ...]:
    if "starttls-not-offered" in evidence.symptoms:
        return _ports_with_tls(settings)[:2]
    if settings.security is Security.TLS and evidence.symptoms & {
        "speaks-smtp", "tls-timeout", "tls-closed", "tls-reset", "tls-other",
    }:
        return (*_same_port(settings, Security.STARTTLS), *_ports_with_tls(settings)[:1])
    if cause == "tls-cert-name-mismatch":
        names = evidence.values.get("certificate_names", "").split(", ")
        ways = [_changed(settings, host=name.lower()) for name in names if _is_whole_name(name, settings.host)]
        return tuple(replace(way, stays=True, consequence="name-from-server") for way in ways[:3])
    return ()


def _is_whole_name(name: str, host: str) -> bool:
    """A name to dial just as it is shown: no wildcard, no address, and not the one that did not match."""
    try:
        ip_address(name)
    except ValueError:
        return "." in name and host_reading(name).host == name and name.lower() != host.lower()
    return False


def _without_sign_in(settings: ServerSettings) -> tuple[Detour, ...]:
    way = _changed(settings, auth=Auth.NONE)
    return (replace(way, consequence="trusts-address"),) if way.envelope else ()


def _with_sign_in(settings: ServerSettings) -> tuple[Detour, ...]:
    """Ways with a sign-in, which the settings lack so far: more is to be entered than the change."""
    ways = [_changed(settings, port=p, security=s, auth=Auth.PASSWORD) for p, s in _WITH_TLS[:2]]
    return tuple(replace(way, consequence="needs-sign-in") for way in ways)


def _direct_send(exchanger: str, settings: ServerSettings) -> tuple[Detour, ...]:
    """Microsoft 365 takes mail for its own domains at their MX from anybody, without sign-in ("direct send")."""
    own = domain_of(settings.from_address)
    if not exchanger.endswith(_DIRECT_SEND) or not own:
        return ()
    to = settings.test_recipient if domain_of(settings.test_recipient) == own else settings.from_address
    way = _changed(
        settings, host=exchanger, port=SMTP_PORT, security=Security.STARTTLS, auth=Auth.NONE, test_recipient=to
    )
    return (replace(way, envelope=(settings.from_address, to), consequence="only-own-domain"),)

