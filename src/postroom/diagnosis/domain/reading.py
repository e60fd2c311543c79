"""All that is said of a domain: as recipient's domain (mx), and as From domain (spf, dkim, dmarc)."""

from dataclasses import dataclass, replace
from typing import Any

from .answers import Inquiry, Outcome
from .dkim import dkim_part, published_keys
from .dmarc import dmarc_part
from .mx import exchangers, mx_part
from .part import Part, Status
from .spf import spf_part
from .subject import Subject
from .typo import meant_domain

# A name that the public DNS has. Servers that know only a network of their own deny it, and all else that they lack.
_PUBLIC = "com"


@dataclass(frozen=True, slots=True)
class Reading:
    """`parts` by name, in the order in which they are shown; `exchangers` are the domain's MX hosts. `published_keys`
    are the selectors of our own DKIM keys that the DNS shows."""

    subject: Subject
    parts: dict[str, Part]
    exchangers: tuple[str, ...] = ()
    published_keys: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        sender = self.subject.sender
        return {
            "sender": {"slug": sender.slug, "title": sender.title} if sender else None,
            "exchangers": list(self.exchangers),
            "published_keys": list(self.published_keys),
            "parts": {name: part.as_json() for name, part in self.parts.items()},
        }


def reading_of(subject: Subject, inquiry: Inquiry) -> Reading:
    """The reading as far as the inquiry has answers; whole once the inquiry wants nothing more."""
    reading = _reading(subject, inquiry)
    if inquiry(_PUBLIC, "TXT").outcome is Outcome.NO_NAME:
        return replace(reading, parts={name: _doubted(name, part) for name, part in reading.parts.items()})
    return reading


def _doubted(name: str, part: Part) -> Part:
    """What a DNS server that does not know the public DNS calls missing may well be there."""
    if part.status not in (Status.WARN, Status.BAD):
        return part
    return Part(f"{name}-cannot-tell", Status.UNKNOWN, {**part.values, "reason": "private"})


def _reading(subject: Subject, inquiry: Inquiry) -> Reading:
    answer = inquiry(subject.domain, "MX")
    is_missing = answer.outcome is Outcome.NO_NAME
    mx = mx_part(subject.domain, inquiry, meant_domain(subject.domain, is_missing=is_missing))
    if is_missing:
        missing = Part("domain-missing", Status.BAD, subject.values)
        return Reading(subject, {"mx": mx, "domain": missing})
    spf, dkim = spf_part(subject, inquiry), dkim_part(subject, inquiry)
    dmarc = dmarc_part(subject, inquiry, spf, dkim)
    parts = {"mx": mx, "spf": spf, **({"dkim": dkim} if dkim else {}), "dmarc": dmarc}
    return Reading(subject, parts, exchangers(answer), published_keys(subject, inquiry))
