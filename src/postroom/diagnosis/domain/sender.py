"""Who sends: the provider behind a host, and what it asks of the From domain's DNS, from senders.toml."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from postroom.terms.mail_provider import MailProvider, is_below, mail_providers


@dataclass(frozen=True, slots=True)
class Record:
    """A DNS record to publish. `value` is "" where only the provider's account shows it."""

    name: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Sender:
    """A provider as senders.toml describes it."""

    known: MailProvider
    spf: str = ""
    spf_names: tuple[str, ...] = ()
    own_return_path: bool = False
    selectors: tuple[str, ...] = ()
    only_selectors: bool = False
    dkim: tuple[tuple[str, str, str], ...] = ()
    dkim_type: str = "TXT"
    domains: tuple[str, ...] = ()
    spf_page: str = ""
    dkim_page: str = ""

    @property
    def slug(self) -> str:
        return self.known.slug

    @property
    def title(self) -> str:
        return self.known.name

    def is_meant_by(self, spf_domain: str) -> bool:
        """Whether a record that includes `spf_domain` includes this provider."""
        return is_below(spf_domain, (self.spf, *self.spf_names) if self.spf else self.spf_names)

    def owns(self, domain: str) -> bool:
        """Whether mailboxes of the domain are the provider's own, so that nobody else publishes its DNS."""
        return domain in self.domains or is_below(domain, [d for d in self.domains if d == "onmicrosoft.com"])

    def dkim_records(self, domain: str) -> tuple[Record, ...]:
        """What to publish, as exactly as it is known without the account."""
        if self.dkim:
            return tuple(
                Record(f"{selector}._domainkey.{domain}", kind, value.format(domain=domain))
                for selector, kind, value in self.dkim
            )
        return tuple(Record(f"{selector}._domainkey.{domain}", self.dkim_type, "") for selector in self.selectors[:2])


@cache
def senders() -> tuple[Sender, ...]:
    """Every provider of senders.toml."""
    table = tomllib.loads((files(__package__) / "senders.toml").read_text(encoding="utf-8"))
    return tuple(
        Sender(mail_providers()[slug], **{name: _frozen(value) for name, value in row.items()})
        for slug, row in table.items()
    )


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


def sender_of(host: str) -> Sender | None:
    """The provider that takes mail at a host; None for every other server."""
    name = host.lower().rstrip(".")
    return next((sender for sender in senders() if sender.known.takes_mail_at(name)), None) if name else None


def receiver_at(exchanger: str) -> Sender | None:
    """The provider whose mailboxes are behind an MX host; None for every other one, such as a filter before it."""
    name = exchanger.lower().rstrip(".")
    return next((sender for sender in senders() if sender.known.receives_at(name)), None)


def owner_of(domain: str) -> Sender | None:
    """The provider whose own mailboxes are in a domain, such as Google for gmail.com."""
    return next((sender for sender in senders() if sender.owns(domain)), None)
