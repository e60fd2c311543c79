"""Ids in places that anybody can write to, such as a return path or a link: signed, so that nobody makes one up (S6).

A token is the id and a signature, in lower case letters and digits that survive every mail system. It names no
address. A token of one purpose is none for another.
"""

import hmac
from functools import cache

from django.conf import settings

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_CHARACTERS = 26


class SignedIds:
    """Tokens of one purpose; each has the id's 26 characters and `signature_characters` more, five bits each."""

    def __init__(self, purpose: str, signature_characters: int) -> None:
        self._purpose = f"signed-id:{purpose}"
        self._characters = signature_characters

    def token(self, id_: str) -> str:
        """The token of an id."""
        name = id_.lower()
        return name + self._signature(name)

    def id_of(self, token: str) -> str | None:
        """The id in a token, None for one that was not made here for this purpose. Capitals do not matter."""
        token = token.lower()
        name, signature = token[:_ID_CHARACTERS], token[_ID_CHARACTERS:]
        if len(token) != _ID_CHARACTERS + self._characters or not set(token) <= set(_ALPHABET):
            return None
        return name.upper() if hmac.compare_digest(signature, self._signature(name)) else None

    def _signature(self, name: str) -> str:
        number = int.from_bytes(_signature(self._purpose, name), "big")
        return "".join(_ALPHABET[(number >> 5 * place) & 31] for place in range(self._characters))


@cache
def _key(purpose: str) -> bytes:
    return bytes.fromhex(settings.VAULT.derive(purpose))


def _signature(purpose: str, name: str) -> bytes:
    return hmac.digest(_key(purpose), name.encode(), "sha256")


# 80 bits: what fits into a local part of 64 octets beside a mailbox's name.
BOUNCE_TOKENS = SignedIds("bounce", 16)
UNSUBSCRIBE_TOKENS = SignedIds("unsubscribe", 26)
REPORT_TOKENS = SignedIds("report", 26)
