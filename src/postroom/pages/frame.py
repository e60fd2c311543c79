"""What every page shows around its content: navigation, theme, clock, the state of delivery."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from postroom import __version__

from . import words
from .queries.delivery_status import delivery_status

THEME_COOKIE = "postroom_theme"
SHORTCUTS_COOKIE = "postroom_shortcuts"


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor."""
    values: dict[str, Any] = {
        "theme": "dark" if request.COOKIES.get(THEME_COOKIE) == "dark" else "light",
        "shortcuts": request.COOKIES.get(SHORTCUTS_COOKIE) != "off",
        "version": __version__,
    }
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        now = timezone.localtime()
        status = delivery_status()
        values |= {
            "delivery": status,
            "queue_words": _queue_words(status.depth, status.oldest_s),
            "now_words": f"{now:%a} {now.day} {now:%b}, {now:%H:%M} {now:%Z}",
            "initials": initials(user.name or user.email),
        }
    return values


def initials(name: str) -> str:
    parts = name.split()
    letters = [part[0] for part in (parts[:1] + parts[1:][-1:])]
    return "".join(letters).upper()


def _queue_words(depth: int, oldest_s: float) -> str:
    return f"{depth:,} in the queue, oldest {words.short_span(oldest_s)}" if depth else "The queue is empty"
