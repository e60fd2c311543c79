"""PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login) from the server's side (RFC 4954)."""

import base64
import binascii
from typing import Literal

from . import replies
from .envelope import Refusal

MECHANISMS = ("PLAIN", "LOGIN")
Credentials = tuple[str, str]


class SignIn:
    """One exchange: `take` gets what the client says, base64 and all, and gives credentials or the next challenge."""

    __slots__ = ("_mechanism", "_username")

    def __init__(self, mechanism: Literal["PLAIN", "LOGIN"]) -> None:
        self._mechanism = mechanism
        self._username: str | None = None

    def first_challenge(self) -> bytes:
        return replies.PLAIN_CHALLENGE if self._mechanism == "PLAIN" else replies.LOGIN_USERNAME

    def take(self, said: bytes) -> Credentials | bytes:
        """(username, password), or the challenge to send. Raises Refusal."""
        if said == b"*":
            raise Refusal(replies.AUTH_CANCELLED)
        text = _decoded(said)
        if self._mechanism == "PLAIN":
            return _plain_credentials(text)
        if self._username is None:
            self._username = text
            return replies.LOGIN_PASSWORD
        return self._username, text


def _plain_credentials(text: str) -> Credentials:
    parts = text.split("\0")
    if len(parts) != 3:
        raise Refusal(replies.NOT_BASE64)
    _, username, password = parts
    return username, password


def _decoded(said: bytes) -> str:
    try:
        return base64.b64decode(b"" if said == b"=" else said, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise Refusal(replies.NOT_BASE64) from None
