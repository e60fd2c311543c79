"""The page /api/docs, made of the OpenAPI document: the pages' stylesheet, no script, nothing from outside."""

from pathlib import Path
from typing import Any

from django.template import Context, Engine

_ENGINE = Engine(dirs=[str(Path(__file__).parent / "templates")], autoescape=True)
_DEPTH = 2
_ORDER = (
    "Messages", "SMTP servers", "Delivery rules", "Queue", "Tests", "Domains", "DKIM keys", "Activity", "Bounces",
    "Suppressions", "Report sources", "Recipients", "Announcements",
)
_METHODS = ("get", "post", "patch", "put", "delete")

# Every problem that an answer of the API may name, by its slug.
PROBLEMS = {
    "malformed": "400: the request isn't JSON of one reading, or its header can't be read.",
    "host-not-allowed": "400: the Host field names neither the host of POSTROOM_URL nor this machine.",
    "unauthorized": "401: the token is missing, unknown, revoked or expired.",
    "forbidden": "403: the token's scope does not reach that far.",
    "not-found": "404: there is nothing at this address, or nothing that this token may see.",
    "method-not-allowed": "405: this address has no such method.",
    "too-slow": "408: the body did not arrive in time.",
    "idempotency-conflict": "409: the Idempotency-Key was used before with another body.",
    "not-possible": "409: the step does not fit the present state.",
    "too-large": "413: the body, or the composed message for its server, is too large.",
    "unsupported-type": "415: the body isn't application/json, or is compressed; for uploads, its type is none.",
    "invalid-fields": "422: fields can't be taken; `errors` names each with its remedy.",
    "queue-full": "429: the queue holds as many deliveries as it may, of this client or in all. Retry-After says when.",
    "uploads-full": "429: the client's uploads take all the room they may.",
    "fault": "500: Postroom itself failed; its log has the details.",
    "no-smtp-server": "503: no SMTP server is enabled.",
    "busy": "503: too many large messages arrive at once.",
    "stopping": "503: Postroom is being stopped.",
    "signing-key": "503: a DKIM key of the From domain can't be opened; its vault key is missing.",
    "storage-busy": "503: the database stayed locked; nothing was stored.",
    "storage-unknown": "503: it is not known whether the message was stored; repeat with its Idempotency-Key.",
    "storage-full": "507: the disk is full; nothing was stored.",
}


def page_of(document: dict[str, Any]) -> str:
    """The page as HTML."""
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                tags.setdefault((operation.get("tags") or ["Other"])[0], []).append(
                    _operation(path, method, operation, document)
                )
    context = Context({
        "title": document["info"]["title"],
        "version": document["info"]["version"],
        "description": document["info"].get("description", ""),
        "tags": sorted(tags.items(), key=lambda pair: (*_ORDER, pair[0]).index(pair[0])),
        "problems": PROBLEMS.items(),
    })
    return str(_ENGINE.get_template("docs.html").render(context))


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    answers = [
        {"status": status, "text": answer.get("description", ""), "fields": _fields(_json_schema(answer), document)}
        for status, answer in sorted(operation["responses"].items(), key=lambda pair: int(pair[0]))
    ]
    return {
        "path": path,
        "method": method.upper(),
        "id": operation["operationId"],
        "summary": operation.get("summary", ""),
        "parameters": [
            {
                "name": p["name"],
                "in": p["in"],
                "kind": _kind(p["schema"], document),
                "text": p.get("description") or p["schema"].get("description", ""),
            }
            for p in operation.get("parameters", [])
        ],
        "fields": _fields(body, document),
        "answers": [answer for answer in answers if int(answer["status"]) < 300],
        "refusals": [answer for answer in answers if int(answer["status"]) >= 300],
    }


def _json_schema(answer: dict[str, Any]) -> dict[str, Any] | None:
    schema: dict[str, Any] | None = answer.get("content", {}).get("application/json", {}).get("schema")
    return schema


def _fields(schema: dict[str, Any] | None, document: dict[str, Any], prefix: str = "") -> list[dict[str, Any]]:
    """Name, kind and description of each field of an object, and of the objects in it, as `limits.connections`."""
    if schema is None or prefix.count(".") > _DEPTH:
        return []
    schema = _resolved(schema, document)
    needed = schema.get("required", [])
    rows = []
    for name, field in schema.get("properties", {}).items():
        shown = f"{prefix}{name}"
        text = field.get("description", "")
        rows.append({"name": shown, "kind": _kind(field, document), "needed": name in needed, "text": text})
        inner = _resolved(field, document)
        rows += _fields(_resolved(inner.get("items", inner), document), document, f"{shown}.")
    return rows


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", []):
        if "$ref" in choice:
            return _resolved(choice, document)
    return schema


def _kind(schema: dict[str, Any], document: dict[str, Any]) -> str:
    """The field's type in a few words, such as "list of text" or "none | starttls | tls"."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _kind(document["components"]["schemas"][name], document)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(choice, document) for choice in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return " | ".join(str(value) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}), document)}"
    if isinstance(kind, list):
        return " or ".join(str(_WORDS.get(k, k)) for k in kind)
    return str(_WORDS.get(schema.get("format", ""), _WORDS.get(kind, kind)))


_WORDS = {
    "string": "text",
    "integer": "number",
    "boolean": "true or false",
    "date-time": "time (ISO 8601 with zone)",
    "byte": "base64",
}
