"""What accepting a message asks of the database, read together and kept for a moment: the servers to send through, the
rules that choose among them, the keys to sign with, the domains that mail may go to, and whether test mode is on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from postroom.policy.recipient_domains import AllowedDomains
from postroom.policy.route import Candidate, route
from postroom.policy.rules import Rule
from postroom.store.hot_reads import delivery_rules, smtp_servers
from postroom.store.models import SmtpServer
from postroom.terms.server import ServerSettings
from postroom.terms.test_mode import TestMode

from ..domains.dkim_signing import SigningKeys
from ..domains.recipient_domains import allowed_domains
from ..domains.signing_keys import signing_keys
from ..servers.delivery_rules import rule_of
from .test_mode import server_test_mode, site_test_mode

_NO_KEYS: SigningKeys = {}
_EVERY_DOMAIN = AllowedDomains()


@dataclass(frozen=True, slots=True)
class Sender:
    """An SMTP server as acceptance sees it. `may_be_named`: a client may ask for it by name or id."""

    id: str
    name: str
    settings: ServerSettings
    candidate: Candidate
    enabled: bool
    may_be_named: bool
    test_mode: TestMode | None = None


@dataclass(frozen=True, slots=True)
class Current:
    """The installation at one moment. `standard` is the server for messages that nothing else decides about, None where
    none is switched on."""

    senders: tuple[Sender, ...]
    rules: tuple[Rule, ...] = ()
    keys: SigningKeys = field(default_factory=dict)
    standard: Sender | None = None
    domains: AllowedDomains = _EVERY_DOMAIN
    test_mode: TestMode | None = None


def read_current() -> Current:
    """As it is now (blocking). Raises DatabaseError, and Problem where a signing key can't be opened."""
    rules = map(rule_of, delivery_rules())
    return current_of(smtp_servers(), rules, signing_keys(), allowed_domains(), site_test_mode())


def current_of(
    servers: Iterable[SmtpServer], rules: Iterable[Rule] = (), keys: SigningKeys = _NO_KEYS,
    domains: AllowedDomains = _EVERY_DOMAIN, test_mode: TestMode | None = None,
) -> Current:
    """With these servers, rules, keys and domains, and the site's test mode."""
    senders = tuple(map(_sender, servers))
    return Current(senders, tuple(rules), keys, _standard(senders), domains, test_mode)


def _standard(senders: Sequence[Sender]) -> Sender | None:
    """One that takes deliveries, else one that is switched on: mail waits there."""
    candidate = route(s.candidate for s in senders) or route(
        replace(s.candidate, takes_deliveries=s.enabled) for s in senders
    )
    return next((s for s in senders if candidate is not None and s.id == candidate.id), None)


def _sender(server: SmtpServer) -> Sender:
    is_proven = server.is_verified or server.use_unverified
    return Sender(
        id=server.pk,
        name=server.name,
        settings=server.typed_settings,
        candidate=server.candidate,
        enabled=server.enabled,
        may_be_named=server.enabled and is_proven,
        test_mode=server_test_mode(server),
    )
