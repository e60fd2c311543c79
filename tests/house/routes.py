"""Every address below which Postroom answers, as the code has them."""

import re
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from postroom.intake.intake import BATCH, MESSAGES
from postroom.intake.pushes import PUSH
from postroom.intake.uploads import BLOBS

_PLACE = re.compile(r"<[^<>]*>|\{[^{}]*\}")


def shape_of(address: str) -> str:
    """An address with each part that varies as "<>", so that "/messages/<str:id>" and "/messages/{id}" are the same."""
    return _PLACE.sub("<>", address.split("?")[0])


def routes() -> set[str]:
    """The shapes of all addresses, the intake's included; catch-alls that only refuse are none."""
    pages = (shape_of(address) for address in _below("/", get_resolver().url_patterns))
    return {MESSAGES, BATCH, BLOBS, shape_of(PUSH), *pages}


def _below(prefix: str, patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if not isinstance(pattern.pattern, RoutePattern):
            continue
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _below(address, pattern.url_patterns)
        else:
            yield address
