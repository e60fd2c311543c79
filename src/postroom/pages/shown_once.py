"""A secret on its way from a form's answer to the page that shows it once. It waits in this process's memory only."""

from django.core.cache import cache
from django.http import HttpRequest

from .access import person

_WITHIN_S = 120


def keep(request: HttpRequest, name: str, secret: str) -> None:
    """Have the page that this person loads next show the secret under `name`."""
    cache.set(_key(request, name), secret, _WITHIN_S)


def take(request: HttpRequest, name: str) -> str:
    """The secret the first time that its own person asks for it, "" from then on."""
    secret = cache.get(_key(request, name), "")
    cache.delete(_key(request, name))
    return str(secret)


def _key(request: HttpRequest, name: str) -> str:
    return f"shown-once:{person(request).pk}:{name}"
