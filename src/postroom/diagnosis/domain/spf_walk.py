"""An SPF record followed through its includes, for one provider or for the addresses of one server.

This is no check of a message, which only its receiver can make: it says what the record means for one sender, and
"unknown" wherever a part of it could not be followed.
"""

from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from postroom.terms.limits import SPF_LOOKUPS

from .answers import Inquiry
from .sender import Sender
from .spf_record import Network, SpfRecord, Term, parsed, spf_records

# No RFC figure: how deep includes are followed, and how far beyond the lookups that a receiver makes.
_DEPTH = 8
_LOOKING_UP = ("include", "a", "mx", "ptr", "exists")


class Match(StrEnum):
    """Whether a record lets the sender pass."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Walk:
    """A domain's record followed to its ends.

    `lookups` is what a receiver would look up for a sender that nothing matches. `networks` are those it lets pass.
    `gaps` are the parts that could not be followed, `faults` those that make receivers refuse the record.
    """

    def __init__(self, domain: str, inquiry: Inquiry, sender: Sender | None, addresses: tuple[str, ...]) -> None:
        self.lookups = 0
        self.networks: list[Network] = []
        self.gaps: list[str] = []
        self.faults: list[str] = []
        self._inquiry, self._sender = inquiry, sender
        self._addresses = [ip_address(each) for each in addresses]
        self._seen: set[str] = set()
        self._decided: Match | None = None
        if sender is not None and sender.is_meant_by(domain):
            self._decide(True, 0)
        self._follow(domain, 0, True)

    @property
    def match(self) -> Match:
        if self._decided is not None:
            return self._decided
        return Match.UNKNOWN if self.gaps else Match.NO

    def _decide(self, passing: bool, depth: int) -> None:
        """The first mechanism that matches decides; below an include only one that lets pass (section 5.2)."""
        if self._decided is None and (passing or depth == 0):
            self._decided = Match.YES if passing else Match.NO

    def _follow(self, domain: str, depth: int, passing: bool) -> None:
        """`passing` is False below an include that does not let pass what it matches."""
        if domain in self._seen:
            return
        if depth > _DEPTH or self.lookups > SPF_LOOKUPS + _DEPTH:
            self.gaps.append(domain)
            return
        self._seen.add(domain)
        record = self._record_of(domain)
        if record is None:
            return
        for term in record.terms:
            self._meet(term, domain, depth, passing and term.qualifier == "+")
        if record.redirect and not record.all_qualifier:
            self.lookups += 1
            self._enter(record.redirect, depth, passing)

    def _record_of(self, domain: str) -> SpfRecord | None:
        answer = self._inquiry(domain, "TXT")
        if not answer.is_known:
            self.gaps.append(domain)
            return None
        records = spf_records(answer.values)
        if len(records) != 1:
            self.faults.append(domain)
            return None
        record = parsed(records[0])
        if record.fault:
            self.faults.append(record.fault)
        return record

    def _meet(self, term: Term, domain: str, depth: int, passing: bool) -> None:
        self.lookups += term.name in _LOOKING_UP
        if "%" in term.domain or term.name in ("ptr", "exists"):
            self.gaps.append(f"{term.name}:{term.domain}" if term.domain else term.name)
        elif term.name == "include":
            self._enter(term.domain, depth, passing)
        elif term.name == "all":
            if depth == 0 and passing:
                self._decide(True, 0)
        elif term.network is not None:
            self.networks += [term.network] if passing else []
            self._hold(term.network, passing, depth)
        elif self._sender is None and self._addresses:
            for network in self._networks_of(term, term.domain or domain):
                self._hold(network, passing, depth)

    def _hold(self, network: Network, passing: bool, depth: int) -> None:
        if any(address in network for address in self._addresses):
            self._decide(passing, depth)

    def _enter(self, target: str, depth: int, passing: bool) -> None:
        if "%" in target:
            self.gaps.append(target)
            return
        if self._sender is not None and self._sender.is_meant_by(target):
            self._decide(passing, depth)
        self._follow(target, depth + 1, passing)

    def _networks_of(self, term: Term, domain: str) -> Iterator[Network]:
        """The networks that `a` or `mx` stands for."""
        for host in self._hosts_of(term, domain):
            for kind, prefix in (("A", term.prefixes[0]), ("AAAA", term.prefixes[1])):
                answer = self._inquiry(host, kind)
                if not answer.is_known:
                    self.gaps.append(f"{term.name}:{host}")
                yield from (ip_network(f"{value}/{prefix}", strict=False) for value in answer.values)

    def _hosts_of(self, term: Term, domain: str) -> list[str]:
        if term.name == "a":
            return [domain]
        answer = self._inquiry(domain, "MX")
        if not answer.is_known:
            self.gaps.append(f"mx:{domain}")
        hosts = [value.partition(" ")[2] for value in answer.values]
        return [host for host in hosts if host != "."][:SPF_LOOKUPS]


def lists_networks_of(sender: Sender, walk: Walk, inquiry: Inquiry) -> Match:
    """Whether a record that does not include a provider lists its networks: all, some (UNKNOWN), or none of them.

    Records that were "flattened" do.
    """
    if not sender.spf or not walk.networks:
        return Match.NO
    own = Walk(sender.spf, inquiry, None, ())
    if own.gaps or not own.networks:
        return Match.UNKNOWN
    if all(any(_holds(network, each) for network in walk.networks) for each in own.networks):
        return Match.YES
    touched = any(_overlap(network, each) for network in walk.networks for each in own.networks)
    return Match.UNKNOWN if touched else Match.NO


def _holds(network: Network, other: Network) -> bool:
    if isinstance(network, IPv4Network) and isinstance(other, IPv4Network):
        return other.subnet_of(network)
    if isinstance(network, IPv6Network) and isinstance(other, IPv6Network):
        return other.subnet_of(network)
    return False


def _overlap(network: Network, other: Network) -> bool:
    return _holds(network, other) or _holds(other, network)
