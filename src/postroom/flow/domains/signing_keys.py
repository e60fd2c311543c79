"""The keys that sign now, opened."""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings

from postroom.message.dkim import PrivateKey, SigningKey
from postroom.store.models import DkimKey
from postroom.store.vault import VaultError
from postroom.terms.problem import Problem
from postroom.terms.wording import worded

from .dkim_signing import SigningKeys

_LOADED = 64


def signing_keys() -> SigningKeys:
    """The keys that sign now (blocking). Raises Problem when one can't be opened: mail of a domain that promises
    signatures had better wait than leave without."""
    found: dict[str, tuple[SigningKey, ...]] = {}
    # RSA first: some receivers stop at a signature that they do not know.
    for row in DkimKey.objects.filter(state=DkimKey.State.SIGNING).order_by("domain", "-algorithm", "selector"):
        try:
            key = SigningKey(row.domain, row.selector, _private_key(row.sealed_key, row.destination))
        except VaultError as error:
            detail = worded("The DKIM key {name} can't be opened. {fault}", name=row.record_name, fault=str(error))
            raise Problem(503, "signing-key", "A message can't be signed", detail, retry_after_s=60) from error
        found[row.domain] = (*found.get(row.domain, ()), key)
    return found


@lru_cache(maxsize=_LOADED)
def _private_key(sealed: str, destination: str) -> PrivateKey:
    """Opened once: that takes longer than signing."""
    key = load_pem_private_key(settings.VAULT.unseal(sealed, destination).encode(), None)
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise VaultError("It is of another kind than Postroom makes.")
    return key
