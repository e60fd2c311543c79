"""Brute force against passwords is slowed down: failures are counted by address and by name (W8), at the sign-in
and where the present password is asked for.

The counters live in this process's memory; one web process serves the pages of an installation on one machine. The
address is the connection's own, never one that a header claims (W7).
"""

import contextlib
import hashlib

from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

WAIT = gettext_lazy("Too many failed tries. Wait five minutes, then try again.")
WINDOW_S = 300
FAILURES_BY_PAIR = 5
FAILURES_BY_ADDRESS = 30
FAILURES_BY_NAME = 60


def begin_try(request: HttpRequest, name: str) -> bool:
    """Whether this client may try now. The try counts as failed from here on, so that tries at once count too."""
    counters = _counters(request, name)
    if any(cache.get(key, 0) >= most for key, most in counters):
        return False
    counts = [_counted(key) for key, _ in counters]
    return all(count <= most for count, (_, most) in zip(counts, counters, strict=True))


def take_back(request: HttpRequest, name: str) -> None:
    """After a success: the pair starts anew, and for the wider counters the try did not fail."""
    pair, *wider = (key for key, _ in _counters(request, name))
    cache.delete(pair)
    for key in wider:
        with contextlib.suppress(ValueError):  # its window has just ended
            cache.decr(key)


def _counted(key: str) -> int:
    cache.add(key, 0, WINDOW_S)
    return cache.incr(key)


def _counters(request: HttpRequest, name: str) -> list[tuple[str, int]]:
    address = str(request.META.get("REMOTE_ADDR", ""))
    who = hashlib.sha256(name.strip().lower().encode()).hexdigest()
    return [
        (f"sign-in:pair:{address}:{who}", FAILURES_BY_PAIR),
        (f"sign-in:address:{address}", FAILURES_BY_ADDRESS),
        (f"sign-in:name:{who}", FAILURES_BY_NAME),
    ]
