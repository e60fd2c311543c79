"""Brute force against the sign-in is slowed down: failures are counted by address and by name (W8).

The counters live in this process's memory; one web process serves the pages of an installation on one machine. The
address is the connection's own, never one that a header claims (W7).
"""

import hashlib

from django.core.cache import cache
from django.http import HttpRequest

WINDOW_S = 300
FAILURES_BY_PAIR = 5
FAILURES_BY_ADDRESS = 30
FAILURES_BY_NAME = 60


def is_exhausted(request: HttpRequest, name: str) -> bool:
    """Whether this client must wait before another try counts."""
    return any(cache.get(key, 0) >= most for key, most in _counters(request, name))


def count_failure(request: HttpRequest, name: str) -> None:
    for key, _ in _counters(request, name):
        cache.add(key, 0, WINDOW_S)
        cache.incr(key)


def forget_failures(request: HttpRequest, name: str) -> None:
    """After a success: the pair starts anew, the wider counters run out by themselves."""
    cache.delete(_counters(request, name)[0][0])


def _counters(request: HttpRequest, name: str) -> list[tuple[str, int]]:
    address = str(request.META.get("REMOTE_ADDR", ""))
    who = hashlib.sha256(name.strip().lower().encode()).hexdigest()
    return [
        (f"sign-in:pair:{address}:{who}", FAILURES_BY_PAIR),
        (f"sign-in:address:{address}", FAILURES_BY_ADDRESS),
        (f"sign-in:name:{who}", FAILURES_BY_NAME),
    ]
