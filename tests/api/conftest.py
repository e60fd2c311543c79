"""A caller for each kind of token."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from postroom.flow.users.tokens import create_token, revoke_token
from postroom.store.models import ApiToken

Call = Callable[..., Any]


class Ids(dict[str, str]):
    """What fills the braces of an address; "X", which is nothing's id, where a test names none."""

    def __missing__(self, name: str) -> str:
        return "X"


@pytest.fixture(autouse=True)
def database(db: None) -> None:
    """Every test of this room reads or writes."""


def caller(plain: str | None) -> Call:
    """Call the API with a token: `call("post", "/api/v1/…", {…})`."""

    def call(method: str, path: str, body: Any = None, **fields: Any) -> Any:
        header = {"Authorization": f"Bearer {plain}"} if plain else {}
        content = {} if method == "get" else {"data": "" if body is None else body, "content_type": "application/json"}
        return getattr(Client(raise_request_exception=False), method)(path, headers=header | fields, **content)

    return call


@pytest.fixture
def admin() -> Call:
    return caller(create_token("Admin", "admin", "test")[1])


@pytest.fixture
def reader() -> Call:
    return caller(create_token("Reader", "read", "test")[1])


@pytest.fixture
def sender() -> Call:
    return caller(create_token("Sender", "send", "test")[1])


@pytest.fixture
def callers(admin: Call, reader: Call, sender: Call) -> dict[str, Call]:
    token, plain = create_token("Revoked", "admin", "test")
    revoke_token(ApiToken.objects.get(pk=token.pk), "test")
    return {"stranger": caller(None), "revoked": caller(plain), "read": reader, "send": sender, "admin": admin}
