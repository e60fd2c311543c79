"""How many looks at domains one person may have made in a minute: each costs the DNS servers a dozen questions."""

import contextlib

from django.core.cache import cache

from postroom.store.models import User

WINDOW_S = 60
ASKED = 120


def may_ask(user: User) -> bool:
    """Whether this person may ask now; the asking counts."""
    key = f"domain-check:{user.pk}"
    cache.add(key, 0, WINDOW_S)
    with contextlib.suppress(ValueError):  # the minute has just ended
        return bool(cache.incr(key) <= ASKED)
    return True
