"""The OpenAPI document of the whole API, the intake's addresses included, and the page that people read."""

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from ninja.openapi.schema import get_schema

from postroom.flow.messages.submitted import BATCH, SubmittedMessage
from postroom.flow.messages.upload import UPLOAD_BYTES
from postroom.terms.report import REPORT_BYTES

from .docs_page import page_of
from .schemas import ProblemOut
from .v1 import api

_REFS = "#/components/schemas/{model}"


@require_safe
def openapi(request: HttpRequest) -> JsonResponse:
    del request
    return JsonResponse(document(), json_dumps_params={"indent": 2, "ensure_ascii": False})


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    del request
    return HttpResponse(page_of(document()))


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    made: dict[str, Any] = dict(get_schema(api, path_prefix="/api/v1/"))
    schemas = made["components"]["schemas"]
    message = SubmittedMessage.model_json_schema(ref_template=_REFS)
    schemas.update(message.pop("$defs", {}))
    schemas["SubmittedMessage"] = message
    schemas["ProblemOut"] = ProblemOut.model_json_schema(ref_template=_REFS)
    schemas["Accepted"] = _ACCEPTED
    paths: dict[str, Any] = made["paths"]
    paths.setdefault("/api/v1/messages", {})["post"] = _intake_operation(
        "Send a message", "postMessage", _ref("SubmittedMessage"), _ref("Accepted")
    )
    paths["/api/v1/messages/batch"] = {
        "post": _intake_operation(
            "Send several messages, all or none", "postBatch", _list_of("SubmittedMessage"), _list_of("Accepted")
        )
    }
    paths["/api/v1/blobs"] = {"post": _UPLOAD}
    paths["/api/v1/report-sources/{source_id}/report"] = {"post": _PUSH}
    for path, item in paths.items():
        for method, operation in item.items():
            operation["responses"].update(_refusals(operation, is_storing=method == "post" and path in _STORING))
    made["components"]["securitySchemes"] = {"Bearer": {"type": "http", "scheme": "bearer"}}
    return made


def _intake_operation(summary: str, name: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "The same key and body are answered alike and sent once; another body is refused with 409.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    }
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["Messages"],
        "parameters": [key],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {202: {"description": "Stored", "content": {"application/json": {"schema": answer}}}},
        "security": [{"Bearer": ["send"]}],
    }


def _ref(model: str) -> dict[str, Any]:
    return {"$ref": _REFS.format(model=model)}


def _list_of(model: str) -> dict[str, Any]:
    messages = {"type": "array", "items": _ref(model), "minItems": 1, "maxItems": BATCH}
    return {
        "type": "object",
        "properties": {"messages": messages},
        "required": ["messages"],
        "additionalProperties": False,
    }


def _refusals(operation: dict[str, Any], *, is_storing: bool) -> dict[int, dict[str, Any]]:
    """The refusals that the operation may give, without those it already describes."""
    statuses = {400, 401, 403, 404, 409, 413, 415, 422, 503}
    if "requestBody" in operation:
        statuses.add(408)
    if is_storing:
        statuses |= {429, 507}
    content = {"application/problem+json": {"schema": _ref("ProblemOut")}}
    return {status: {"description": REFUSALS[status], "content": content} for status in sorted(statuses)}


# What adds to the queue or to the files: both have their limits.
_STORING = frozenset({
    "/api/v1/messages", "/api/v1/messages/batch", "/api/v1/messages/{message_id}/resend", "/api/v1/notifications",
    "/api/v1/blobs", "/api/v1/report-sources/{source_id}/report",
})
REFUSALS = {
    400: "The request can't be read.",
    401: "A valid token is needed.",
    403: "The token's scope does not reach that far.",
    404: "There is no such thing.",
    408: "The body came too slowly.",
    409: "It does not fit the present state, or the Idempotency-Key is taken.",
    413: "The content is too large.",
    415: "The body isn't JSON.",
    422: "Fields can't be taken; `errors` names each.",
    429: "The queue, or the room for uploads, is full; `Retry-After` says when to come back.",
    503: "The database is busy, or there is no SMTP server; send again.",
    507: "The disk is full; nothing was accepted.",
}

_UPLOAD: dict[str, Any] = {
    "operationId": "postBlob",
    "summary": "Upload a file that messages will carry",
    "tags": ["Messages"],
    "requestBody": {
        "required": True,
        "description": f"The octets of the file, with their type as Content-Type; at most {UPLOAD_BYTES} of them.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    },
    "responses": {
        201: {
            "description": "Stored; `id` is what the field `blob` of an attachment takes",
            "content": {"application/json": {"schema": {
                "type": "object",
                "required": ["id", "size_bytes"],
                "properties": {"id": {"type": "string"}, "size_bytes": {"type": "integer"}},
            }}},
        }
    },
    "security": [{"Bearer": ["send"]}],
}

_PUSH: dict[str, Any] = {
    "operationId": "postReport",
    "summary": "Push a report to a source; subscriptions that run on a push begin",
    "tags": ["Report sources"],
    "parameters": [
        {"name": "source_id", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 26}},
        {
            "name": "file_name", "in": "query", "required": False, "description": "What recipients see it called.",
            "schema": {"type": "string", "maxLength": 1_000},
        },
        {
            "name": "Idempotency-Key", "in": "header", "required": False,
            "description": "The same key and report are one report and begin its runs once.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        },
    ],
    "requestBody": {
        "required": True,
        "description": f"The octets of the report, with their type as Content-Type; at most {REPORT_BYTES} of them.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    },
    "responses": {
        201: {
            "description": "Stored; `runs` says how many subscriptions begin with it",
            "content": {"application/json": {"schema": {
                "type": "object",
                "required": ["id", "file_name", "media_type", "size_bytes", "runs"],
                "properties": {
                    "id": {"type": "string"}, "file_name": {"type": "string"}, "media_type": {"type": "string"},
                    "size_bytes": {"type": "integer"}, "runs": {"type": "integer"},
                },
            }}},
        }
    },
    "security": [{"Bearer": ["send"]}],
}

_ACCEPTED = {
    "title": "Accepted",
    "type": "object",
    "required": ["id", "deliveries"],
    "properties": {
        "id": {"type": "string"},
        "deliveries": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "recipient", "state"],
                "properties": {"id": {"type": "string"}, "recipient": {"type": "string"}, "state": {"type": "string"}},
            },
        },
    },
}
