"""A mail provider or server software, recognised by its names and its words."""

from collections.abc import Iterable
from dataclasses import dataclass

from postroom.terms.mail_provider import MailProvider

from .pattern import NO_PATTERNS, Patterns


@dataclass(frozen=True, slots=True)
class Provider:
    """`known` are its names on the network, None for software; `greetings` match its banner or EHLO name, `texts` its
    replies.

    `is_public_service` tells that many use it, so that its title says more to people than "the server". `submission` is
    the host that takes its users' mail on the usual ports, "" where that depends on the user.
    """

    slug: str
    title: str
    known: MailProvider | None = None
    greetings: Patterns = NO_PATTERNS
    texts: Patterns = NO_PATTERNS
    is_public_service: bool = False
    submission: str = ""

    def owns(self, host: str) -> bool:
        return self.known is not None and self.known.owns(host.lower().rstrip("."))


def provider_of(providers: Iterable[Provider], *, host: str, greeting: str, text: str) -> Provider | None:
    """The provider by host name, else by its greeting, else by the wording of its replies (all lower case)."""
    known = tuple(providers)
    for provider in known:
        if host and provider.owns(host):
            return provider
    for provider in known:
        if provider.greetings.are_in(greeting):
            return provider
    for provider in known:
        if provider.texts.are_in(text):
            return provider
    return None
