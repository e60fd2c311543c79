"""Sign what is accepted: once, as its octets are frozen, with every key that is switched on for the domain in From."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings

from postroom.message.dkim import BodyHash, PrivateKey, SigningKey, signature_fields
from postroom.store.models import DkimKey
from postroom.store.vault import VaultError
from postroom.terms.problem import Problem

# By the domain in From. A domain without one has no entry.
SigningKeys = Mapping[str, tuple[SigningKey, ...]]
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
            detail = f"The DKIM key {row.record_name} can't be opened. {error}"
            raise Problem(503, "signing-key", "A message can't be signed", detail, retry_after_s=60) from error
        found[row.domain] = (*found.get(row.domain, ()), key)
    return found


def signature_of(
    header: bytes, body: Iterable[bytes], domain: str, keys: SigningKeys, signed_at: datetime
) -> bytes:
    """The fields to stand before `header` (whole lines up to the empty one), nothing where no key signs for `domain`.

    `body` is everything after the empty line; it is asked for only where it is signed."""
    chosen: Sequence[SigningKey] = keys.get(domain, ())
    if not chosen:
        return b""
    body_hash = BodyHash()
    for octets in body:
        body_hash.feed(octets)
    return signature_fields(header, body_hash.digest(), chosen, signed_at)


def split_header(octets: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The header of a message whose first piece holds all of it, and the body."""
    header, _, rest = next(octets).partition(b"\r\n\r\n")

    def body() -> Iterator[bytes]:
        yield rest
        yield from octets

    return header + b"\r\n", body()


@lru_cache(maxsize=_LOADED)
def _private_key(sealed: str, destination: str) -> PrivateKey:
    """Opened once: that takes longer than signing."""
    key = load_pem_private_key(settings.VAULT.unseal(sealed, destination).encode(), None)
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise VaultError("It is of another kind than Postroom makes.")
    return key
