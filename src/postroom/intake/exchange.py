"""One HTTP exchange on bare ASGI: a body read within limits of size and time, an answer in JSON."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from postroom.terms import problem as problems
from postroom.terms.problem import Problem, too_large

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# A client that stalls, or that drips, holds memory: neither may take longer than this (B6).
IDLE_S = 30.0
TOTAL_S = 300.0


class ClientGone(Exception):
    """The client closed the connection before its request was complete; there is nobody to answer."""


def field_of(scope: Scope, name: str) -> str | None:
    """A request's header field; None when it is missing. Raises Problem when it is there twice."""
    values = [value for key, value in scope["headers"] if key == name.encode()]
    if len(values) > 1:
        raise Problem(400, "malformed", "The request can't be read", f"The header field {name} is there twice.")
    return values[0].decode("latin-1") if values else None


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
    chunks: list[bytes] = []
    size, deadline = 0, time.monotonic() + TOTAL_S
    while True:
        wait_s = min(IDLE_S, deadline - time.monotonic())
        try:
            event = await asyncio.wait_for(receive(), max(wait_s, 0.0))
        except TimeoutError:
            detail = f"The body has to arrive within {TOTAL_S:.0f} s, with no pause over {IDLE_S:.0f} s."
            raise Problem(408, "too-slow", "The request came too slowly", detail) from None
        if event["type"] == "http.disconnect":
            raise ClientGone
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > limit_bytes:
            raise too_large(limit_bytes)
        chunks.append(chunk)
        if not event.get("more_body", False):
            return b"".join(chunks)


async def answer(send: Send, status: int, document: Any, header: dict[str, str] | None = None) -> None:
    """Send `document` as JSON, a Problem as application/problem+json."""
    kind = problems.MEDIA_TYPE if status >= 400 else "application/json"
    octets = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    await _answer(send, status, kind, octets, header or {})


async def answer_text(send: Send, status: int, sentence: str) -> None:
    """Refuse in words for people; the connection can't be used again, for a body may be on its way."""
    await _answer(send, status, "text/plain; charset=utf-8", f"{sentence}\n".encode(), {"Connection": "close"})


async def _answer(send: Send, status: int, kind: str, octets: bytes, header: dict[str, str]) -> None:
    fields = {
        "Content-Type": kind,
        "Content-Length": str(len(octets)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **header,
    }
    encoded = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": octets})


async def answer_problem(send: Send, problem: Problem) -> None:
    """Refuse; when the body wasn't read to its end, the connection can't be used again."""
    header = problem.header
    if problem.status in (400, 401, 403, 408, 413, 415):
        header["Connection"] = "close"
    await answer(send, problem.status, problem.as_json(), header)
