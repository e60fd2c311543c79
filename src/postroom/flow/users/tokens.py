"""Bearer tokens of API clients: created and shown once, kept as a digest, revoked (W9)."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from postroom.store import audit
from postroom.store.hot_reads import live_token
from postroom.store.models import ApiToken

# Last use is a hint for people; writing it at every request would double the writes.
USE_NOTED_EVERY = timedelta(minutes=1)
_FORM = re.compile(r"pr_[A-Za-z0-9_-]{43}")
NAME_CHARACTERS = 100
# What each scope reaches; sending tokens see what became of messages, reading ones change nothing.
REACHES = {"admin": ("admin", "send", "read"), "send": ("send", "read"), "read": ("read",)}


def create_token(name: str, scope: str, actor: str, expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """A new token and its text, which is not kept. Raises ValueError for an empty name or an unknown scope."""
    name = name.strip()
    if not name or len(name) > NAME_CHARACTERS or not name.isprintable():
        raise ValueError(f"Give the token a name of 1 to {NAME_CHARACTERS} printable characters.")
    if scope not in ApiToken.Scope.values:
        raise ValueError(f"The scope is one of {', '.join(ApiToken.Scope.values)}.")
    plain = f"pr_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        token = ApiToken.objects.create(
            name=name, scope=scope, digest=_digest(plain), created_by=actor, expires_at=expires_at
        )
        audit.record(actor, "token.create", name, {"scope": scope})
    return token, plain


def client_of(plain: str) -> ApiToken | None:
    """The token that `plain` is, unless it is unknown, revoked or expired."""
    digest = digest_of(plain)
    return None if digest is None else client_of_digest(digest)


def digest_of(plain: str) -> str | None:
    """What is stored of a token, None for a text that can't be one."""
    return _digest(plain) if _FORM.fullmatch(plain) else None


def without_tokens(text: str) -> str:
    """What strangers wrote, as it may be shown: a token that stands in the wrong place is hidden."""
    return _FORM.sub("pr_…", text)


def client_of_digest(digest: str) -> ApiToken | None:
    """The token of that digest, unless there is none or it is revoked or expired."""
    token = live_token(digest)
    if token is None or (token.expires_at is not None and token.expires_at <= timezone.now()):
        return None
    return token


def bearer_of(authorization: str) -> str:
    """The credentials of an `Authorization: Bearer …` field (RFC 6750 section 2.1), "" when it is none."""
    scheme, _, credentials = authorization.partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def may(token: ApiToken, scope: str) -> bool:
    """Whether the token's scope reaches `scope`."""
    return scope in REACHES.get(token.scope, ())


def use_is_worth_noting(token: ApiToken) -> bool:
    return token.last_used_at is None or timezone.now() - token.last_used_at > USE_NOTED_EVERY


def note_use(token: ApiToken) -> None:
    """Write down that the token was used, at most once a minute."""
    if use_is_worth_noting(token):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=timezone.now())


def revoke_token(token: ApiToken, actor: str) -> None:
    """End a token at once; messages it submitted stay."""
    with transaction.atomic():
        changed = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
        if changed:
            audit.record(actor, "token.revoke", token.name)


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()
