"""Bodies are read within limits of size and time, for the intake and for Django behind it (B6)."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from postroom.asgi import DJANGO_BODY_BYTES, Application
from postroom.intake import exchange
from postroom.intake.exchange import ClientGone, body_of
from postroom.intake.intake import Intake
from postroom.terms.problem import Problem

Events = list[dict[str, Any]]


def scope_of(path: str = "/login", *fields: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": path, "headers": [(b"host", b"localhost"), *fields]}


def giving(events: Iterator[dict[str, Any]]) -> Any:
    async def receive() -> dict[str, Any]:
        event = next(events)
        await asyncio.sleep(event.pop("after_s", 0))
        return event

    return receive


def body(chunk: bytes, more: bool = True, after_s: float = 0) -> dict[str, Any]:
    return {"type": "http.request", "body": chunk, "more_body": more, "after_s": after_s}


async def test_a_body_arrives_whole() -> None:
    assert await body_of(scope_of(), giving(iter([body(b"ab"), body(b"c", more=False)])), 3) == b"abc"


@pytest.mark.parametrize("value", [b"-1", b"1x", b"", b"9" * 16, "٣".encode()])
async def test_a_length_that_is_no_number_is_refused(value: bytes) -> None:
    with pytest.raises(Problem) as problem:
        await body_of(scope_of("/", (b"content-length", value)), giving(iter([])), 3)
    assert problem.value.status == 400


async def test_a_field_that_is_there_twice_is_refused() -> None:
    with pytest.raises(Problem):
        await body_of(scope_of("/", (b"content-length", b"1"), (b"content-length", b"2")), giving(iter([])), 3)


async def test_a_client_that_stalls_or_drips_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "IDLE_S", 0.05)
    with pytest.raises(Problem) as stalled:
        await body_of(scope_of(), giving(iter([body(b"a"), body(b"b", after_s=1)])), 100)
    monkeypatch.setattr(exchange, "TOTAL_S", 0.1)
    with pytest.raises(Problem) as dripped:
        await body_of(scope_of(), giving(body(b"a", after_s=0.03) for _ in range(100)), 1000)
    assert (stalled.value.status, dripped.value.status) == (408, 408)


async def test_a_client_that_leaves_is_not_answered() -> None:
    with pytest.raises(ClientGone):
        await body_of(scope_of(), giving(iter([body(b"a"), {"type": "http.disconnect"}])), 100)


async def test_django_gets_small_bodies_whole_and_large_ones_never(intake: Intake) -> None:
    got: list[bytes] = []
    sent: Events = []

    async def django(_: Any, receive: Any, send: Any) -> None:
        got.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(event: Any) -> None:
        sent.append(event)

    application = Application(intake, django)
    await application(scope_of(), giving(iter([body(b"a"), body(b"b", more=False)])), send)
    chunk = b" " * 65_536
    await application(scope_of(), giving(body(chunk) for _ in range(DJANGO_BODY_BYTES // len(chunk) + 1)), send)
    assert got == [b"ab"]
    assert [event["status"] for event in sent if event["type"] == "http.response.start"] == [200, 413]
    assert json.loads(sent[-1]["body"])["status"] == 413
