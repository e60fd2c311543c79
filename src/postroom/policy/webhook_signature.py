"""Signing what goes to a webhook, as Standard Webhooks 1.0 says (standardwebhooks.com): HMAC-SHA256 over the id, the
time and the body, so that a receiver can tell who wrote it, and refuse what is old or came before."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

_PREFIX = "whsec_"
SECRET_BYTES = 32
_BETWEEN_BYTES = range(24, 65)


def secret_of(octets: bytes) -> str:
    """The secret as text for its owner."""
    return _PREFIX + base64.b64encode(octets).decode("ascii")


def key_of(secret: str) -> bytes:
    """The octets that sign. Raises ValueError for a text that is no such secret."""
    try:
        octets = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if not secret.startswith(_PREFIX) or len(octets) not in _BETWEEN_BYTES:
        raise ValueError(f"a secret is {_PREFIX} and the base64 of 24 to 64 octets")
    return octets


def signed_fields(secrets: Sequence[str], id_: str, at_s: int, body: bytes) -> Mapping[str, str]:
    """The header fields of a request that leaves at that second of Unix time; one signature for each secret.

    Raises ValueError for a text that is no secret."""
    content = b".".join((id_.encode("ascii"), str(at_s).encode("ascii"), body))
    signatures = [
        "v1," + base64.b64encode(hmac.new(key_of(secret), content, hashlib.sha256).digest()).decode("ascii")
        for secret in secrets
    ]
    return {"Webhook-Id": id_, "Webhook-Timestamp": str(at_s), "Webhook-Signature": " ".join(signatures)}
