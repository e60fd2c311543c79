"""One SPF record (RFC 7208 sections 4.5 to 6): found among the texts of a name, read, and added to."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network
_MECHANISM = re.compile(r"(?P<qualifier>[-+~?]?)(?P<name>[a-z][a-z0-9_.-]*)(?P<rest>[:/].*)?", re.IGNORECASE)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9_.-]*)=(?P<value>\S*)", re.IGNORECASE)
_WITH_DOMAIN = ("include", "exists")
_MECHANISMS = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")


@dataclass(frozen=True, slots=True)
class Term:
    """A mechanism. `domain` is its domain ("" for the record's own), `network` that of ip4 and ip6."""

    qualifier: str
    name: str
    domain: str = ""
    network: Network | None = None
    prefixes: tuple[int, int] = (32, 128)


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """One record. `fault` is the first term that makes receivers refuse the whole of it (permerror)."""

    text: str
    terms: tuple[Term, ...] = ()
    redirect: str = ""
    fault: str = ""

    @property
    def all_qualifier(self) -> str:
        """The qualifier of its `all`, "" without one."""
        return next((term.qualifier for term in self.terms if term.name == "all"), "")


def spf_records(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts that are SPF records: "v=spf1" alone or with a space behind it (section 4.5)."""
    return tuple(text for text in texts if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 "))


def parsed(text: str) -> SpfRecord:
    """The record that `text` is. Never raises: what receivers refuse becomes its `fault`."""
    terms: list[Term] = []
    redirect = ""
    for word in text.split(" ")[1:]:
        if not word:
            continue
        if modifier := _MODIFIER.fullmatch(word):
            if modifier["name"].lower() == "redirect":
                redirect = modifier["value"].lower().rstrip(".")
            continue
        term = _term(word)
        if term is None:
            return SpfRecord(text, tuple(terms), redirect, word)
        terms.append(term)
    return SpfRecord(text, tuple(terms), redirect)


def _term(word: str) -> Term | None:
    match = _MECHANISM.fullmatch(word)
    if match is None or match["name"].lower() not in _MECHANISMS:
        return None
    qualifier, name, rest = match["qualifier"] or "+", match["name"].lower(), match["rest"] or ""
    if name in ("ip4", "ip6"):
        return _address_term(qualifier, name, rest)
    if name == "all":
        return None if rest else Term(qualifier, name)
    domain, slash, prefix = rest.removeprefix(":").partition("/")
    if name in _WITH_DOMAIN and (not domain or slash):
        return None
    four, _, six = prefix.partition("//") if not prefix.startswith("/") else ("", "", prefix[1:])
    if any(part and not (part.isascii() and part.isdigit()) for part in (four, six)):
        return None
    prefixes = (min(int(four or 32), 32), min(int(six or 128), 128))
    return Term(qualifier, name, domain.lower().rstrip("."), prefixes=prefixes)


def _address_term(qualifier: str, name: str, rest: str) -> Term | None:
    try:
        network = ip_network(rest.removeprefix(":"), strict=False)
    except ValueError:
        return None
    return Term(qualifier, name, network=network) if network.version == int(name[2]) else None


def allowing(record: SpfRecord | None, mechanism: str) -> str:
    """The record to publish: `mechanism` put before `all` or redirect, or a new record that holds nothing else."""
    if record is None:
        return f"v=spf1 {mechanism} ~all"
    words = record.text.split(" ")
    last = (n for n, word in enumerate(words) if re.match(r"[-+~?]?all$|redirect=", word, re.IGNORECASE))
    at = next(last, len(words))
    return " ".join([*words[:at], mechanism, *words[at:]])
