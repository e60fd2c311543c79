"""Providers of mail, told apart by the names of their hosts, from mail_providers.toml."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class MailProvider:
    """A provider as mail_providers.toml describes it."""

    slug: str
    name: str
    hosts: tuple[str, ...]
    host_patterns: tuple[str, ...] = ()
    exchangers: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def takes_mail_at(self, host: str) -> bool:
        """Whether its customers submit there."""
        return is_below(host, self.hosts) or any(re.fullmatch(pattern, host) for pattern in self.host_patterns)

    def receives_at(self, exchanger: str) -> bool:
        """Whether its mailboxes are behind an MX host."""
        return self.takes_mail_at(exchanger) or is_below(exchanger, self.exchangers)

    def owns(self, name: str) -> bool:
        """Whether a host or domain bears one of its names, whatever it is for."""
        return self.receives_at(name) or is_below(name, self.others)


def is_below(name: str, suffixes: Iterable[str]) -> bool:
    """Whether a domain is one of `suffixes` or lies below one."""
    bare = name.lower().rstrip(".")
    return any(bare == suffix or bare.endswith(f".{suffix}") for suffix in suffixes)


@cache
def mail_providers() -> Mapping[str, MailProvider]:
    """Every provider by its slug."""
    table = tomllib.loads((files(__package__) / "mail_providers.toml").read_text(encoding="utf-8"))
    return {
        slug: MailProvider(slug, row.pop("name"), **{key: tuple(value) for key, value in row.items()})
        for slug, row in table.items()
    }
