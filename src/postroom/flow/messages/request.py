"""A request to send, as every door hands it over: who asks, what, and under which idempotency key (U4)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from postroom.store.content import sha256_of
from postroom.store.models import ApiToken
from postroom.terms.problem import FieldError, Problem, invalid_fields
from postroom.terms.test_mode import TestMode
from postroom.terms.wording import worded

from .submitted import BATCH

KEY_CHARACTERS = 200
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who writes a message in a page; the id keeps apart the idempotency keys of different people."""

    id: str
    name: str


# None is this machine's command line.
Client = ApiToken | Person | None


@dataclass(frozen=True, slots=True)
class Request:
    """One submitted message with its place among others ("" alone, "messages.3." in a batch). `test_mode` is that of
    the subscription whose message it is. One that `goes_to_nobody_else` is refused where a test mode would send it to
    its tester."""

    body: Any
    place: str = ""
    key: str | None = None
    digest: str = ""
    test_mode: TestMode | None = None
    goes_to_nobody_else: bool = False


def scope_of(client: Client) -> str:
    """Whose keys and uploads these are."""
    return client.id if client else "local"


def single_request(body: Any, key: str | None) -> Request:
    """A message alone. Raises Problem for a key that can't be one."""
    return Request(body) if key is None else Request(body, "", checked_key(key), request_digest(body))


def batch_requests(body: Any, key: str | None) -> list[Request]:
    """Each message of a batch under a key of its own, with the digest of the whole. Raises Problem."""
    messages = _messages_of(body)
    if key is None:
        return [Request(message, f"messages.{n}.") for n, message in enumerate(messages)]
    key, digest = checked_key(key), request_digest(body)
    return [Request(message, f"messages.{n}.", f"{key}#{n}", digest) for n, message in enumerate(messages)]


def checked_key(key: str) -> str:
    """An Idempotency-Key of 1 to 200 printable ASCII characters. Raises Problem."""
    if not key or len(key) > KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        text = worded("An Idempotency-Key has 1 to {most} printable ASCII characters.", most=KEY_CHARACTERS)
        raise invalid_fields([FieldError("Idempotency-Key", "invalid", text)])
    return key


def request_digest(body: Any) -> str:
    """Digest of parsed JSON, the same for any order of names and any white space."""
    return sha256_of(_CANONICAL(body).encode())


class HeldBack(Problem):
    """A test mode would send the message to somebody who must not read it; only Postroom itself hands in such mail."""

    def __init__(self) -> None:
        detail = "This message goes to its recipients or to nobody."
        super().__init__(409, "not-possible", "That is not possible now", detail)


def key_conflict() -> Problem:
    """409: the key belongs to another request."""
    detail = "This Idempotency-Key was used before with another body. Use a new key for a new message."
    return Problem(409, "idempotency-conflict", "The Idempotency-Key is taken", detail)


def _messages_of(body: Any) -> Sequence[Any]:
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not 1 <= len(messages) <= BATCH:
        text = worded("Enter a list of 1 to {most} messages.", most=BATCH)
        raise invalid_fields([FieldError("messages", "invalid", text)])
    others = [name for name in body if name != "messages"]
    if others:
        text = worded("There is no such field here.")
        raise invalid_fields([FieldError(name, "unknown", text) for name in others[:20]])
    return messages
