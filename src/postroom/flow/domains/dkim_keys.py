"""DKIM keys of domains: made here, published by whoever keeps the domain's DNS, then switched on.

Rotation: make a second key under another selector, publish it, switch it on; that retires the first, whose record stays
published until mail that it signed has arrived, and can then be removed.
"""

import base64
import re

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from postroom.store import audit
from postroom.store.models import DkimKey
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused
from .read_domain import domain_in

# RFC 8301 section 3.2: signers use at least 2048 bits; more does not fit into one text of a DNS record.
RSA_BITS = 2_048
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NAMES = 100


def create_key(domain: str, algorithm: str, selector: str, actor: str) -> DkimKey:
    """A new key that signs nothing yet; without `selector` one with the date in it. Raises SettingsRefused."""
    name = domain_in(domain)
    if not name:
        raise SettingsRefused(FieldError("domain", "invalid", worded("Give a full domain, such as example.com.")))
    if algorithm not in DkimKey.Algorithm.values:
        raise SettingsRefused(FieldError("algorithm", "invalid", worded("The algorithm is rsa or ed25519.")))
    selector = selector.strip().lower()
    if selector and not _SELECTOR.fullmatch(selector):
        text = worded("A selector has 1 to 63 letters, digits and inner hyphens.")
        raise SettingsRefused(FieldError("selector", "invalid", text))
    private, public = _pair(algorithm)
    with transaction.atomic():
        key = DkimKey(
            domain=name, selector=selector or _free_selector(name), algorithm=algorithm, public_key=public,
            created_by=actor[:254], state_since=timezone.now(),
        )
        if DkimKey.objects.filter(domain=name, selector=key.selector).exists():
            text = worded("The domain has a key of this selector. Choose another one.")
            raise SettingsRefused(FieldError("selector", "taken", text))
        key.sealed_key = settings.VAULT.seal(private, key.destination)
        key.save(force_insert=True)
        audit.record(actor, "dkim.create", key.record_name, {"algorithm": algorithm})
    return key


def activate_key(key: DkimKey, actor: str, *, unpublished: bool = False) -> DkimKey:
    """Sign with the key from now on; another one of the same domain and algorithm is retired in the same commit.

    Raises NotPossible where no look at the DNS has found it published, unless `unpublished` says that this is meant."""
    with transaction.atomic():
        row = _present(key)
        if row.published_at is None and not unpublished:
            raise NotPossible(worded(
                "The DNS does not show this key yet. Publish its record and check again, or switch it on all the same."
            ))
        others = DkimKey.objects.filter(domain=row.domain, algorithm=row.algorithm, state=DkimKey.State.SIGNING)
        for other in others.exclude(pk=row.pk):
            _move(other, DkimKey.State.RETIRED, "dkim.retire", actor)
        _move(row, DkimKey.State.SIGNING, "dkim.activate", actor)
    return row


def retire_key(key: DkimKey, actor: str) -> DkimKey:
    """Sign with the key no longer."""
    with transaction.atomic():
        row = _present(key)
        _move(row, DkimKey.State.RETIRED, "dkim.retire", actor)
    return row


def delete_key(key: DkimKey, actor: str) -> None:
    """Forget a key. Raises NotPossible while it signs."""
    with transaction.atomic():
        row = _present(key)
        if row.state == DkimKey.State.SIGNING:
            raise NotPossible(worded("This key signs mail. Switch it off first."))
        row.delete()
        audit.record(actor, "dkim.delete", row.record_name)


def note_published(domain: str, selectors: list[str]) -> None:
    """A look at the DNS found these keys of a domain (blocking)."""
    DkimKey.objects.filter(domain=domain, selector__in=selectors).update(published_at=timezone.now())


def own_keys(domain: str) -> dict[str, str]:
    """What the DNS should show: the public key by selector (blocking)."""
    return dict(DkimKey.objects.filter(domain=domain).values_list("selector", "public_key"))


def _move(row: DkimKey, state: str, action: str, actor: str) -> None:
    if row.state != state:
        row.state, row.state_since = state, timezone.now()
        row.save(update_fields=["state", "state_since"])
        audit.record(actor, action, row.record_name)


def _present(key: DkimKey) -> DkimKey:
    row = DkimKey.objects.filter(pk=key.pk).first()
    if row is None:
        raise NotPossible(worded("This key was removed meanwhile."))
    return row


def _free_selector(domain: str) -> str:
    taken = set(DkimKey.objects.filter(domain=domain).values_list("selector", flat=True))
    base = f"postroom-{timezone.now():%Y%m}"
    names = (base if n == 1 else f"{base}-{n}" for n in range(1, _NAMES))
    return next((name for name in names if name not in taken), base)


def _pair(algorithm: str) -> tuple[str, str]:
    """A private key as PEM, and the public one as a DNS record has it (RFC 6376 section 3.6.1, RFC 8463 section 4)."""
    if algorithm == DkimKey.Algorithm.ED25519:
        ed25519 = Ed25519PrivateKey.generate()
        public = ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        pem = ed25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    else:
        private = rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
        public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode("ascii"), base64.b64encode(public).decode("ascii")
