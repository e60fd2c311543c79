"""What the page of DKIM keys shows: each key with its state, its record, and what the last look at the DNS saw."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from postroom.flow.domains.check_domain import latest_check
from postroom.pages.states import Look, look_of
from postroom.store.models import DkimKey

# A page asks so often while it waits for a look, which takes some seconds.
TRIES = 25
_WAITED_FOR = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class KeyView:
    """`seen` is whether the last look found the key, None before there was one; `waits` while one is under way."""

    key: DkimKey
    look: Look
    seen: bool | None
    looked_at: datetime | None
    waits: bool
    tries: int

    @property
    def polls(self) -> bool:
        return self.waits and self.tries <= TRIES

    @property
    def algorithm(self) -> str:
        return {"rsa": "RSA", "ed25519": "Ed25519"}.get(self.key.algorithm, self.key.algorithm)


def key_views() -> list[KeyView]:
    """All keys, those of a domain together, the newest of them first."""
    return [key_view(key) for key in DkimKey.objects.order_by("domain", "-created_at")]


def key_view(key: DkimKey, tries: int = 0) -> KeyView:
    """One key as it is now."""
    check = latest_check(key.domain, "")
    look = look_of({"new": "unpublished", "signing": "signing", "retired": "retired"}.get(key.state, ""))
    if key.state == DkimKey.State.NEW and key.published_at is not None:
        look = look_of("published")
    if check is None or check.created_at < key.created_at:
        return KeyView(key, look, None, None, waits=False, tries=tries + 1)
    if check.finished_at is None:
        waits = timezone.now() - check.created_at < _WAITED_FOR
        return KeyView(key, look, None, None, waits=waits, tries=tries + 1)
    seen = key.selector in check.result.get("published_keys", ())
    return KeyView(key, look, seen, check.finished_at, waits=False, tries=tries + 1)
