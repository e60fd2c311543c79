"""Every operation that takes a body reads it strictly (B6, W11): generated from the OpenAPI document."""

import json
from collections.abc import Iterator
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


# What is bounded by more than a schema says: by the test of each field of a message (intake/test_b6_limits), by the
# limit of a body, or as a whole (the test below).
BOUNDED_ELSEWHERE = {
    **{
        f"post {path} {field}": "test_b6_each_field_of_a_message_has_a_limit"
        for path, place in (("/api/v1/messages", ""), ("/api/v1/messages/batch", "messages[]."))
        for field in (
            *(f"{place}{name}{end}" for name in ("to", "cc", "bcc", "reply_to") for end in ("", "[]")),
            f"{place}headers{{}}",
        )
    },
    **{
        f"post {path} {place}{name}": "the body's limit"
        for path, place in (("/api/v1/messages", ""), ("/api/v1/messages/batch", "messages[]."))
        for name in ("text", "html", "attachments[].content_base64")
    },
    "post /api/v1/recipients/import content_base64": "the body's limit",
    "post /api/v1/blobs ": "the body's limit",
    "post /api/v1/report-sources/{source_id}/report ": "the body's limit",
    "post /api/v1/route to": "test_b6_recipients_of_a_route_are_as_few_as_those_of_a_message",
    "post /api/v1/route to[]": "test_b6_recipients_of_a_route_are_as_few_as_those_of_a_message",
}


def unbounded(schema: dict[str, Any], place: str = "", within: tuple[str, ...] = ()) -> Iterator[str]:
    """Places of texts without a longest length, of lists and free objects without a largest number, and of what may be
    anything. A time and a word of a list are bounded by their form."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in within:
            yield from unbounded(document()["components"]["schemas"][name], place, (*within, name))
        return
    choices = [choice for key in ("anyOf", "oneOf", "allOf") for choice in schema.get(key, [])]
    for choice in choices:
        yield from unbounded(choice, place, within)
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    is_bounded = {"enum", "const"} & set(schema) or schema.get("format") in ("date", "date-time")
    if "string" in kinds and "maxLength" not in schema and not is_bounded:
        yield place
    if "array" in kinds and "maxItems" not in schema:
        yield place
    names = {"properties", "maxProperties"} & set(schema) or "enum" in schema.get("propertyNames", {})
    if ("object" in kinds and not names) or not (kinds or choices or is_bounded):
        yield place
    if "array" in kinds:
        yield from unbounded(schema.get("items", {}), f"{place}[]", within)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from unbounded(schema["additionalProperties"], f"{place}{{}}", within)
    for name, field in schema.get("properties", {}).items():
        yield from unbounded(field, f"{place}.{name}".lstrip("."), within)


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


def test_b6_every_field_of_every_request_has_a_bound() -> None:
    found = set()
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            for body in operation.get("requestBody", {}).get("content", {}).values():
                found |= {f"{method} {path} {place}" for place in unbounded(body["schema"])}
            for each in operation.get("parameters", []):
                found |= {f"{method} {path} ?{each['name']}" for _ in unbounded(each["schema"])}
    assert found == set(BOUNDED_ELSEWHERE)


def test_b6_a_field_without_a_bound_would_be_found() -> None:
    text = {"type": "string"}
    assert list(unbounded({"type": "object", "properties": {"a": text, "b": {**text, "maxLength": 3}}})) == ["a"]
    assert list(unbounded({"type": "array", "maxItems": 2, "items": {"anyOf": [text, {"type": "null"}]}})) == ["[]"]
    assert list(unbounded({"type": "object", "additionalProperties": text, "maxProperties": 2})) == ["{}"]
    assert list(unbounded({})) == list(unbounded({"type": "object"})) == [""]
    assert list(unbounded({"type": "array"})) == ["", "[]"]


@pytest.mark.parametrize("to", [["ann@example.org"] * 1_001, "x" * 500_001, ["x" * 500_001]])
def test_b6_recipients_of_a_route_are_as_few_as_those_of_a_message(admin: Call, to: Any) -> None:
    answer = admin("post", "/api/v1/route", {"to": to})
    assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (422, ["to"])
