"""A server's queue by its API names, and in words what keeps its mail from leaving."""

from datetime import datetime
from typing import Any

from postroom.policy.explain_route import limit_words
from postroom.terms.wording import worded

from .queue_state import ServerQueue


def queue_values(queue: ServerQueue) -> dict[str, Any]:
    """As the API and the command line tell it; times are aware datetimes."""
    server, limits = queue.server, queue.limits
    return {
        "server": server.pk if server else None,
        "name": server.name if server else "",
        "state": server.state if server else "",
        "due": queue.due, "due_since": queue.due_since, "later": queue.later, "next_at": queue.next_at,
        "sending": queue.sending, "held": queue.held,
        "sessions": queue.sessions, "sessions_allowed": queue.allowed,
        "held_by": queue.held_by, "held_until": queue.held_until, "cooldown_until": queue.cooldown_until,
        "slowed_at": queue.slowed_at, "rate": queue.rate,
        "messages_per_minute": _use(queue.used_minute, limits.messages_per_minute),
        "messages_per_day": _use(queue.used_day, limits.messages_per_day),
    }


def holding(queue: ServerQueue) -> list[tuple[str, datetime | None]]:
    """What keeps mail from leaving (`terms.wording`), each with its end where it has one."""
    server = queue.server
    if server is None:
        return [(worded("No server takes deliveries: it waits for one."), None)] if queue.waiting else []
    found: list[tuple[str, datetime | None]] = []
    if not server.enabled:
        found.append((worded("Switched off"), None))
    elif server.paused_at is not None:
        found.append((worded("Paused"), server.paused_until))
    elif not server.takes_deliveries:
        found.append((worded("Its live test has not passed"), None))
    if queue.cooldown_until is not None:
        found.append((worded("It failed and is left alone for a while"), queue.cooldown_until))
    if queue.held_by and queue.due:
        found.append((limit_words(queue.held_by, queue.limits), queue.held_until))
    if queue.rate is not None:
        text = worded("It asked to be given less: {rate} messages a minute at most for now", rate=round(queue.rate))
        found.append((text, None))
    return found


def _use(used: int | None, limit: int | None) -> dict[str, int] | None:
    return None if used is None or limit is None else {"used": used, "limit": limit}
