"""Links that were not made here are guesses: an address that came with many of them waits (W8). A right link, which
nobody guesses, is not kept from anybody: behind a proxy all people come from one address.

The counters live in this process's memory. The address is the connection's own, never one that a header claims (W7).
"""

from django.core.cache import cache
from django.http import HttpRequest

WINDOW_S = 300
WRONG_LINKS = 60


def may_guess(request: HttpRequest) -> bool:
    """Whether a wrong link of this client is looked at now."""
    return bool(cache.get(_key(request), 0) < WRONG_LINKS)


def note_wrong(request: HttpRequest) -> None:
    """Count a link that was not made here."""
    key = _key(request)
    cache.add(key, 0, WINDOW_S)
    try:
        cache.incr(key)
    except ValueError:  # its window has just ended
        cache.add(key, 1, WINDOW_S)


def _key(request: HttpRequest) -> str:
    return f"wrong-link:{request.META.get('REMOTE_ADDR', '')}"
