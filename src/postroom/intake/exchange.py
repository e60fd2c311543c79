"""One HTTP exchange on bare ASGI: a body read within limits of size and time, an answer in JSON."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from postroom.terms import problem as problems
from postroom.terms.problem import Problem, too_large

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Fields = list[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# A client that stalls, or that drips, holds memory: neither may take longer than this (B6).
IDLE_S = 30.0
TOTAL_S = 300.0
# What has arrived may be behind this rate by so many seconds.
RATE_BYTES_S = 16 * 1024
RATE_AFTER_S = 30.0


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_FIXED = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


# Where a scope keeps its header fields by name.
_FIELDS = "postroom.fields"


class ClientGone(Exception):
    """The client closed the connection before its request was complete; there is nobody to answer."""


def field_of(scope: Scope, name: str) -> str | None:
    """A request's header field; None when it is missing. Raises Problem when it is there twice."""
    fields: dict[bytes, bytes] | None = scope.get(_FIELDS)
    if fields is None:
        fields = scope[_FIELDS] = dict(scope["headers"])
    value = fields.get(name.encode())
    if value is None:
        return None
    if len(fields) != len(scope["headers"]) and sum(key == name.encode() for key, _ in scope["headers"]) > 1:
        raise Problem(400, "malformed", "The request can't be read", f"The header field {name} is there twice.")
    return value.decode("latin-1")


def length_of(scope: Scope) -> int | None:
    """Content-Length, None when it isn't told beforehand. Raises Problem."""
    text = field_of(scope, "content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 15:
        raise Problem(400, "malformed", "The request can't be read", "Content-Length isn't a number.")
    return int(text)


async def body_of(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """The whole body; refuses a longer one before reading more than it must. Raises Problem or ClientGone."""
    told = length_of(scope)
    if told is not None and told > limit_bytes:
        raise too_large(limit_bytes)
    first = await _next_event(receive, min(IDLE_S, TOTAL_S), TOTAL_S)
    if first.get("more_body", False):
        chunks = [chunk async for chunk in _chunks(first, receive, limit_bytes, TOTAL_S)]
        return b"".join(chunks)
    body: bytes = first.get("body", b"")
    if len(body) > limit_bytes:
        raise too_large(limit_bytes)
    return body


async def chunks_of(
    scope: Scope, receive: Receive, limit_bytes: int, total_s: float | None = None
) -> AsyncIterator[bytes]:
    """The body as it comes. A slow one is refused: see the limits above.

    `total_s` None is TOTAL_S. Raises Problem or ClientGone."""
    told = length_of(scope)
    if told is not None and told > limit_bytes:
        raise too_large(limit_bytes)
    total_s = TOTAL_S if total_s is None else total_s
    first = await _next_event(receive, min(IDLE_S, total_s), total_s)
    async for chunk in _chunks(first, receive, limit_bytes, total_s):
        yield chunk


async def _chunks(
    event: MutableMapping[str, Any], receive: Receive, limit_bytes: int, total_s: float
) -> AsyncIterator[bytes]:
    size, begun = 0, time.monotonic()
    while True:
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > limit_bytes:
            raise too_large(limit_bytes)
        if chunk:
            yield chunk
        if not event.get("more_body", False):
            return
        left_s = min(begun + total_s, begun + RATE_AFTER_S + size / RATE_BYTES_S) - time.monotonic()
        event = await _next_event(receive, max(min(IDLE_S, left_s), 0.0), total_s)


async def _next_event(receive: Receive, within_s: float, total_s: float) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(within_s):
            event = await receive()
    except TimeoutError:
        raise _too_slow(total_s) from None
    if event["type"] == "http.disconnect":
        raise ClientGone
    return event


def _too_slow(total_s: float) -> Problem:
    detail = (
        f"The body has to arrive within {total_s:.0f} s, with no pause over {IDLE_S:.0f} s,"
        f" and at {RATE_BYTES_S // 1024} KiB/s at least."
    )
    return Problem(408, "too-slow", "The request came too slowly", detail)


async def answer(send: Send, status: int, document: Any, header: dict[str, str] | None = None) -> None:
    """Send `document` as JSON, a Problem as application/problem+json."""
    kind = problems.MEDIA_TYPE if status >= 400 else "application/json"
    await _answer(send, status, kind, json_octets(document), header or {})


def json_octets(document: Any) -> bytes:
    """A document as it is answered."""
    return _JSON(document).encode("utf-8", "backslashreplace")


async def answer_text(send: Send, status: int, sentence: str) -> None:
    """Refuse in words for people; the connection can't be used again, for a body may be on its way."""
    await _answer(send, status, "text/plain; charset=utf-8", f"{sentence}\n".encode(), {"Connection": "close"})


def fields_of(kind: str, octets: bytes) -> Fields:
    """The header of an answer of that media type."""
    return [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(octets)), *_FIXED]


async def _answer(send: Send, status: int, kind: str, octets: bytes, header: dict[str, str]) -> None:
    fields = fields_of(kind, octets)
    for name, value in header.items():
        if name != "Cache-Control":
            fields.append((name.lower().encode(), value.encode("latin-1", "replace")))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": octets})


async def answer_problem(send: Send, problem: Problem) -> None:
    """Refuse; when the body wasn't read to its end, the connection can't be used again."""
    header = problem.header
    if problem.status in (400, 401, 403, 408, 413, 415):
        header["Connection"] = "close"
    await answer(send, problem.status, problem.as_json(), header)
