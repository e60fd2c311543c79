"""Every operation that takes a body reads it strictly (B6, W11): generated from the OpenAPI document."""

import json
from typing import Any

import pytest

from postroom.api.openapi import document
from postroom.terms.strict_json import DEPTH

from .conftest import Call, Ids
from .test_smtp_servers import RELAY, URL

WITH_BODY = sorted(
    (method, path)
    for path, item in document()["paths"].items()
    for method, operation in item.items()
    if "application/json" in operation.get("requestBody", {}).get("content", {})
    and not (method == "post" and path.startswith("/api/v1/messages"))
)


@pytest.fixture
def server(admin: Call) -> str:
    return str(admin("post", URL, RELAY).json()["id"])


def test_there_are_operations_with_a_body() -> None:
    assert len(WITH_BODY) >= 7


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_a_body_has_one_reading_known_fields_and_strict_types(
    admin: Call, server: str, method: str, path: str
) -> None:
    def answer(body: Any) -> tuple[int, Any]:
        text = body if isinstance(body, str) else json.dumps(body)
        response = admin(method, path.format_map(Ids(server_id=server)), text)
        assert response["Content-Type"] == "application/problem+json", response.content
        return response.status_code, [error["field"] for error in response.json().get("errors", [])]

    nested: Any = 1
    for _ in range(DEPTH + 1):
        nested = {"a": nested}
    assert answer(nested) == (400, [])
    assert answer("{" * 100_000) == (400, [])
    assert answer('{"send": true, "send": false}') == (400, [])
    assert answer('{"port": NaN}') == (400, [])
    assert answer('{"port": 1e999}') == (400, [])
    assert answer("[]") == (400, [])
    assert answer("{") == (400, [])
    assert answer({**RELAY, "send": "yes", "colour": 1})[0] == 422
    assert "colour" in answer({"colour": 1})[1]


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_only_json_is_read(admin: Call, server: str, method: str, path: str) -> None:
    address = path.format_map(Ids(server_id=server))
    answer = admin(method, address, '{"send": false}', **{"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["type"]) == (415, "/api/docs#problem-unsupported-type")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("description", "x" * 501),
        ("host", "x" * 501),
        ("username", "x" * 501),
        ("password", "x" * 2001),
        ("ca_pem", "x" * 200_001),
        ("reason", "x" * 501),
        ("port", 65_536),
        ("port", 0),
        ("port", 25.5),
        ("name", ["a"]),
        ("name", {"a": 1}),
        ("name", None),
        ("enabled", "true"),
        ("is_default", 1),
        ("limits", {"connections": "3"}),
        ("limits", {"connections": 2**53 + 1}),
        ("limits", []),
    ],
)
def test_a_field_beyond_its_bounds_is_named(admin: Call, field: str, value: Any) -> None:
    answer = admin("post", URL, {**RELAY, field: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].split(".")[0] == field
    assert str(value)[:50] not in answer.content.decode() or len(str(value)) < 50
