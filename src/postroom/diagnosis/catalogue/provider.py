"""A mail provider or server software, recognised by its names and its words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """`hosts` are domain suffixes of its own names; `greetings` match its banner or EHLO name, `texts` its replies.

    `is_public_service` tells that many use it, so that its title says more to people than "the server".
    """

    slug: str
    title: str
    hosts: tuple[str, ...] = ()
    greetings: tuple[re.Pattern[str], ...] = ()
    texts: tuple[re.Pattern[str], ...] = ()
    is_public_service: bool = False

    def owns(self, host: str) -> bool:
        name = host.lower().rstrip(".")
        return any(name == suffix or name.endswith("." + suffix) for suffix in self.hosts)


def provider_of(providers: Iterable[Provider], *, host: str, greeting: str, text: str) -> Provider | None:
    """The provider by host name, else by its greeting, else by the wording of its replies (all lower case)."""
    known = tuple(providers)
    for provider in known:
        if host and provider.owns(host):
            return provider
    for provider in known:
        if greeting and any(pattern.search(greeting) for pattern in provider.greetings):
            return provider
    for provider in known:
        if text and any(pattern.search(text) for pattern in provider.texts):
            return provider
    return None
