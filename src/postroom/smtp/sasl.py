"""Authentication exchanges (RFC 4954) without sockets: challenges in, answers out, each with a label for the trace.

User name and password leave as UTF-8; SCRAM prepares them with SASLprep (RFC 5802, through scramp). The octets of an
answer never belong into a trace; its label does.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Protocol

from scramp import ScramClient, ScramException

from postroom.terms.limits import SCRAM_ITERATIONS

USERNAME_LABEL = "[user name hidden]"
PASSWORD_LABEL = "[password hidden]"
ANSWER_LABEL = "[answer hidden]"

# Most trusted first. Over TLS a plain password is safer kept by the server as a hash than as CRAM-MD5 demands, so
# CRAM-MD5 comes last there; without TLS the plain mechanisms come last, and only with permission.
OVER_TLS = ("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5")
WITHOUT_TLS = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")
PLAIN_TEXT = frozenset({"PLAIN", "LOGIN"})


class AuthFault(Exception):
    """The server broke the exchange: a challenge that makes no sense, or a proof that is wrong. Holds no secret."""


class Exchange(Protocol):
    """One authentication in progress."""

    name: str

    def initial(self) -> bytes | None:
        """The initial response, None when the mechanism waits for a challenge."""
        ...

    def answer(self, challenge: bytes) -> bytes:
        """The answer to a decoded challenge. Raises AuthFault."""
        ...

    @property
    def label(self) -> str:
        """What the trace shows in place of the last octets given out."""
        ...

    def check_success(self) -> None:
        """Raises AuthFault when the server says yes without having done its part."""
        ...


class Plain:
    """PLAIN (RFC 4616). A server that answers the initial response with an empty challenge gets it again, once."""

    name = "PLAIN"
    label = f"{USERNAME_LABEL} {PASSWORD_LABEL}"

    def __init__(self, username: str, password: str) -> None:
        if "\0" in username + password:
            raise ValueError("a user name or password may not hold NUL")
        self._message = f"\0{username}\0{password}".encode()
        self._challenges = 0

    def initial(self) -> bytes | None:
        return self._message

    def answer(self, challenge: bytes) -> bytes:  # noqa: ARG002 - PLAIN has no challenge to look at
        self._challenges += 1
        if self._challenges > 1:
            raise AuthFault("the server asks for the PLAIN message again and again")
        return self._message

    def check_success(self) -> None:
        return None


class Login:
    """LOGIN (draft-murchison-sasl-login): user name, then password, whatever the prompts say."""

    name = "LOGIN"

    def __init__(self, username: str, password: str) -> None:
        self._answers = [(username.encode(), USERNAME_LABEL), (password.encode(), PASSWORD_LABEL)]
        self.label = ""

    def initial(self) -> bytes | None:
        return None

    def answer(self, challenge: bytes) -> bytes:  # noqa: ARG002 - the prompts differ between servers and languages
        if not self._answers:
            raise AuthFault("the server asks for more than user name and password")
        octets, self.label = self._answers.pop(0)
        return octets

    def check_success(self) -> None:
        return None


class CramMd5:
    """CRAM-MD5 (RFC 2195)."""

    name = "CRAM-MD5"
    label = ANSWER_LABEL

    def __init__(self, username: str, password: str) -> None:
        self._username, self._password = username.encode(), password.encode()
        self._answered = False

    def initial(self) -> bytes | None:
        return None

    def answer(self, challenge: bytes) -> bytes:
        if self._answered:
            raise AuthFault("the server sends a second CRAM-MD5 challenge")
        self._answered = True
        digest = hmac.new(self._password, challenge, hashlib.md5).hexdigest()
        return self._username + b" " + digest.encode("ascii")

    def check_success(self) -> None:
        return None


class Scram:
    """SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, 7677) without channel binding; the server must prove itself too."""

    label = ANSWER_LABEL

    def __init__(self, name: str, username: str, password: str, nonce: str) -> None:
        self.name = name
        self._step = 0
        try:
            self._client = ScramClient([name], username, password, c_nonce=nonce)
            self._first: str = self._client.get_client_first()
        except ScramException:
            raise ValueError("the user name or password holds characters that SCRAM does not allow") from None

    def initial(self) -> bytes | None:
        return self._first.encode()

    def answer(self, challenge: bytes) -> bytes:
        self._step += 1
        try:
            text = challenge.decode("utf-8")
            if self._step == 1:
                return self._final(text)
            if self._step == 2:
                self._client.set_server_final(text)
                return b""
        except (ScramException, ValueError, KeyError, IndexError, TypeError):
            raise AuthFault("the server's SCRAM message is wrong") from None
        raise AuthFault("the server asks for more than SCRAM has")

    def _final(self, server_first: str) -> bytes:
        iterations = re.search(r",i=(\d{1,12})(?:,|\Z)", server_first)
        if iterations is None or int(iterations.group(1)) > SCRAM_ITERATIONS:
            raise AuthFault(f"the server wants more than {SCRAM_ITERATIONS} SCRAM iterations")
        self._client.set_server_first(server_first)
        return str(self._client.get_client_final()).encode()

    def check_success(self) -> None:
        if self._step < 2:
            raise AuthFault("the server says yes without a proof that it knows the password")


def chosen_mechanism(offered: Iterable[str], *, over_tls: bool, plain_allowed: bool) -> str | None:
    """The best mechanism that both sides have; PLAIN and LOGIN only over TLS or where `plain_allowed`."""
    available = {name.upper() for name in offered}
    for name in OVER_TLS if over_tls else WITHOUT_TLS:
        if name in available and (over_tls or plain_allowed or name not in PLAIN_TEXT):
            return name
    return None


def exchange(mechanism: str, username: str, password: str, nonce: str) -> Exchange:
    """An exchange of `mechanism`; `nonce` is fresh printable randomness for SCRAM. Raises ValueError, see `Plain`."""
    if mechanism.startswith("SCRAM-"):
        return Scram(mechanism, username, password, nonce)
    if mechanism == "CRAM-MD5":
        return CramMd5(username, password)
    return Plain(username, password) if mechanism == "PLAIN" else Login(username, password)
