"""Every address has limits of size, depth, fields and time; none of them is reached without being asked here (B6)."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from tests.house.routes import routes

from postroom.asgi import DJANGO_BODY_BYTES, Application
from postroom.flow.users.tokens import create_token
from postroom.intake import exchange
from postroom.intake.intake import BATCH, MESSAGES, Intake
from postroom.intake.pushes import PUSH
from postroom.intake.uploads import BLOBS
from postroom.store.models import ReportSource
from postroom.terms.strict_json import DEPTH

# What stands in each place of an address; the address for reports reads nothing before it has found its source.
SOMETHING = "X"
REPORT = PUSH.replace("{source_id}", SOMETHING)
# Addresses of the intake with the limit that the test's own intake has.
OWN = {MESSAGES: 2_000_000, BATCH: 2_000_000, BLOBS: 3_000_000, REPORT: 3_000_000}
CHUNK = b" " * 65_536
# One more than each field takes.
BEYOND: list[tuple[str, Any]] = [
    ("subject", "x" * 999),
    ("from", "x" * 1_001),
    ("server", "x" * 101),
    ("unsubscribe", "x" * 101),
    ("to", ["ann@example.com"] * 1_001),
    ("cc", ["ann@example.com"] * 1_001),
    ("bcc", ["ann@example.com"] * 1_001),
    ("reply_to", ["ann@example.com"] * 1_001),
    ("reply_to", "x" * 500_001),
    ("tags", ["x"] * 21),
    ("tags", ["x" * 101]),
    ("headers", {f"X-{n}": "x" for n in range(101)}),
    ("headers", {"X-A": "x" * 8_001}),
    ("headers", {"X" * 77: "x"}),
    ("metadata", {str(n): 1 for n in range(51)}),
    ("metadata", {"a": "x" * 1_001}),
    ("attachments", [{"content_base64": ""}] * 101),
    ("attachments", [{"content_base64": "", "filename": "x" * 1_001}]),
    ("attachments", [{"content_base64": "", "content_type": "x" * 201}]),
    ("attachments", [{"blob": "x" * 101}]),
]


@pytest.fixture
def application(intake: Intake) -> Application:
    return Application(intake, get_asgi_application())  # type: ignore[arg-type]


@pytest.fixture
async def caller(application: Application, intake: Intake) -> AsyncIterator[httpx.AsyncClient]:
    assert intake._uploads is not None
    intake._uploads._most_bytes = OWN[BLOBS]
    application._pushes._most_bytes = OWN[REPORT]
    await ReportSource.objects.acreate(pk=SOMETHING, name="Any", kind=ReportSource.Kind.PUSHED)
    _, plain = await sync_to_async(create_token)("Any", "admin", "test")
    header = {"Authorization": f"Bearer {plain}", "Content-Type": "application/json"}
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=header) as made:
        yield made


def addresses() -> list[str]:
    """Every address of the installation, with something in each of its places."""
    return sorted(shape.replace("<>", SOMETHING) for shape in routes())


async def test_b6_no_address_reads_a_body_over_its_limit(caller: httpx.AsyncClient) -> None:
    for path in addresses():
        await over_the_limit(caller, path, OWN.get(path, DJANGO_BODY_BYTES))


async def over_the_limit(caller: httpx.AsyncClient, path: str, limit: int) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += len(CHUNK)
            assert read < limit + 20 * len(CHUNK), "it went on reading"
            yield CHUNK

    told = await caller.post(path, content=CHUNK, headers={"Content-Length": str(limit + 1)})
    assert told.status_code == 413, path
    assert (await caller.post(path, content=endless())).status_code == 413, path


async def test_b6_no_address_waits_for_a_body_for_ever(
    application: Application, caller: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "IDLE_S", 0.02)
    header = [(name.encode(), value.encode()) for name, value in caller.headers.items()]
    for path in addresses():
        assert await answer_to_silence(application, path, header) == 408, path


async def answer_to_silence(application: Application, path: str, header: list[tuple[bytes, bytes]]) -> int:
    """The status of what is answered to a body that begins and does not go on."""
    events: Iterator[dict[str, Any]] = iter([{"type": "http.request", "body": b"{", "more_body": True}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        event = next(events, None)
        if event is None:
            await asyncio.sleep(30)
        return event or {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {
        "type": "http", "method": "POST", "path": path, "headers": [*header, (b"host", b"localhost")],
        "query_string": b"", "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1), "root_path": "",
    }
    async with asyncio.timeout(10):
        await application(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("path", [MESSAGES, BATCH])
async def test_b6_no_message_nests_deeper_than_the_limit(caller: httpx.AsyncClient, path: str) -> None:
    nested: Any = 1
    for _ in range(DEPTH + 1):
        nested = {"metadata": nested}
    for body in (json.dumps(nested), "[" * 30_000, '{"a":' * 30_000):
        assert (await caller.post(path, content=body)).status_code == 400


@pytest.mark.usefixtures("server")
async def test_b6_each_field_of_a_message_has_a_limit(caller: httpx.AsyncClient) -> None:
    for field, value in BEYOND:
        answer = await caller.post(MESSAGES, json={"to": "ann@example.com", "text": "Hello", field: value})
        assert answer.status_code == 422, field
        assert answer.json()["errors"][0]["field"].split(".")[0] == field


async def test_a_batch_has_a_limit_of_messages(caller: httpx.AsyncClient) -> None:
    message = {"to": "a@b.example", "text": "x"}
    answer = await caller.post(BATCH, json={"messages": [message] * 1_001})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "messages")


