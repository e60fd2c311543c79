"""Delivery rules: which server messages of a kind leave through. The first rule that fits decides; none, the default.

Of several values of one condition one is enough; an empty condition fits every message. A message is composed once,
with the From and the prefix of one server: so a condition on recipients fits only where it covers all of them.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

PURPOSES = ("notification", "report", "communication", "alert")


class Verdict(StrEnum):
    """Why a rule decides, or does not."""

    DECIDES = "decides"
    OFF = "off"
    SERVER_GONE = "server-gone"
    SERVER_IDLE = "server-idle"
    OTHER_PURPOSE = "other-purpose"
    OTHER_SENDER = "other-sender"
    OTHER_RECIPIENTS = "other-recipients"
    OTHER_CLIENT = "other-client"
    OTHER_TAGS = "other-tags"
    TOO_EARLY = "too-early"
    NOT_REACHED = "not-reached"


@dataclass(frozen=True, slots=True)
class Rule:
    """`senders` are addresses or domains, `recipient_domains` domains; "*.example.org" stands for every domain below.
    `only`: no other server may carry the message. From `min_attempts` on it decides about the next attempt."""

    id: str
    server_id: str | None
    name: str = ""
    enabled: bool = True
    purposes: frozenset[str] = frozenset()
    senders: tuple[str, ...] = ()
    recipient_domains: tuple[str, ...] = ()
    clients: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    min_attempts: int = 0
    only: bool = False


@dataclass(frozen=True, slots=True)
class Traits:
    """What rules look at. `sender` is the From that the client gave, "" without; `attempts` those made already."""

    purpose: str = "notification"
    sender: str = ""
    recipient_domains: frozenset[str] = frozenset()
    client: str = ""
    tags: frozenset[str] = field(default_factory=frozenset)
    attempts: int = 0


def decided(rules: Sequence[Rule], traits: Traits, usable: Collection[str]) -> Rule | None:
    """The rule that decides; `usable` are the servers that take deliveries now. None: the default does."""
    return next((rule for rule in rules if verdict_of(rule, traits, usable) is Verdict.DECIDES), None)


def verdicts(rules: Iterable[Rule], traits: Traits, usable: Collection[str]) -> list[tuple[Rule, Verdict]]:
    """Each rule with what it says, up to the one that decides; those behind it are not reached."""
    found: list[tuple[Rule, Verdict]] = []
    is_over = False
    for rule in rules:
        verdict = Verdict.NOT_REACHED if is_over else verdict_of(rule, traits, usable)
        is_over = is_over or verdict is Verdict.DECIDES
        found.append((rule, verdict))
    return found


def verdict_of(rule: Rule, traits: Traits, usable: Collection[str]) -> Verdict:
    """Whether the rule decides about such a message, were it the first."""
    if not rule.enabled:
        return Verdict.OFF
    if (lacking := _lacking(rule, traits)) is not None:
        return lacking
    if rule.server_id is None:
        return Verdict.SERVER_GONE
    return Verdict.DECIDES if rule.only or rule.server_id in usable else Verdict.SERVER_IDLE


def _lacking(rule: Rule, traits: Traits) -> Verdict | None:
    """The condition that the message does not meet."""
    if rule.purposes and traits.purpose not in rule.purposes:
        return Verdict.OTHER_PURPOSE
    if rule.senders and not _is_among(traits.sender.lower(), rule.senders):
        return Verdict.OTHER_SENDER
    if rule.recipient_domains and not _covers(rule.recipient_domains, traits.recipient_domains):
        return Verdict.OTHER_RECIPIENTS
    if rule.clients and traits.client not in rule.clients:
        return Verdict.OTHER_CLIENT
    if rule.tags and not rule.tags & traits.tags:
        return Verdict.OTHER_TAGS
    return Verdict.TOO_EARLY if traits.attempts < rule.min_attempts else None


def _covers(patterns: Sequence[str], domains: Collection[str]) -> bool:
    return bool(domains) and all(any(_is_domain(domain.lower(), p) for p in patterns) for domain in domains)


def _is_among(sender: str, patterns: Iterable[str]) -> bool:
    domain = sender.rpartition("@")[2]
    return bool(sender) and any(sender == p if "@" in p else _is_domain(domain, p) for p in patterns)


def _is_domain(domain: str, pattern: str) -> bool:
    return domain.endswith(pattern[1:]) if pattern.startswith("*.") else domain == pattern
