"""The API client `local`: whoever submits over SMTP from a network that the operator trusts, without a sign-in."""

from django.db import transaction

from postroom.store import audit
from postroom.store.models import ApiToken

NAME = "local"
# No text has this digest: the client can't be used as a bearer token.
DIGEST = "local"
ACTOR = "postroom"


def ensure_local_client() -> ApiToken:
    """The client, made at the first start that trusts a network. One that was revoked stays so."""
    with transaction.atomic():
        token, is_new = ApiToken.objects.get_or_create(
            digest=DIGEST, defaults={"name": NAME, "scope": ApiToken.Scope.SEND, "created_by": ACTOR}
        )
        if is_new:
            audit.record(ACTOR, "token.create", NAME, {"scope": token.scope})
    return token


def trust_again(actor: str) -> bool:
    """Lets a revoked client submit again; whether it was revoked."""
    with transaction.atomic():
        restored = ApiToken.objects.filter(digest=DIGEST).exclude(revoked_at=None).update(revoked_at=None)
        if restored:
            audit.record(actor, "token.restore", NAME)
    return bool(restored)
