"""POST /api/v1/blobs: a file is stored once, for its client alone, whatever carries it."""

import asyncio
import base64
import email
import email.policy
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from tests.outbox import octets_of

from postroom.flow.instance.content_sweep import sweep
from postroom.flow.users.tokens import create_token
from postroom.intake import exchange, large_bodies
from postroom.intake.intake import BATCH, MESSAGES, Intake
from postroom.intake.uploads import BLOBS
from postroom.store.blobs import Blobs
from postroom.store.models import Message, Upload
from postroom.store.uploads import KEPT_UNUSED, forget_unused

pytestmark = pytest.mark.usefixtures("server")
REPORT = bytes(range(256)) * 400
HELLO = {"to": "ann@example.com", "subject": "Sales", "text": "Hello"}


async def uploaded(client: httpx.AsyncClient, octets: bytes = REPORT, kind: str = "application/pdf") -> str:
    answer = await client.post(BLOBS, content=octets, headers={"Content-Type": kind})
    assert answer.status_code == 201, answer.text
    assert answer.json()["size_bytes"] == len(octets)
    return str(answer.json()["id"])


def files(intake: Intake) -> list[Path]:
    return [path for path in intake._blobs.rglob("*") if path.is_file()]


def attached(intake: Intake, message: Message) -> list[tuple[str | None, str, bytes]]:
    parsed = email.message_from_bytes(octets_of(message, intake._blobs), policy=email.policy.SMTP)
    found = []
    for part in parsed.iter_attachments():
        octets = part.get_payload(decode=True)
        assert isinstance(octets, bytes)
        found.append((part.get_filename(), part.get_content_type(), octets))
    return found


async def test_an_upload_arrives_as_its_octets(client: httpx.AsyncClient, intake: Intake) -> None:
    blob = await uploaded(client)
    answer = await client.post(MESSAGES, json={**HELLO, "attachments": [{"filename": "r.pdf", "blob": blob}]})
    assert answer.status_code == 202, answer.text
    message = await Message.objects.select_related("content").aget()
    assert await sync_to_async(attached)(intake, message) == [("r.pdf", "application/pdf", REPORT)]
    assert message.attachments == [{"filename": "r.pdf", "content_type": "application/pdf", "size_bytes": len(REPORT)}]


async def test_one_report_to_a_thousand_people_is_stored_once(client: httpx.AsyncClient, intake: Intake) -> None:
    report = [{"filename": "r.pdf", "blob": await uploaded(client)}]
    everybody = [f"person{n}@example.com" for n in range(1_000)]
    assert (await client.post(MESSAGES, json={**HELLO, "to": everybody, "attachments": report})).status_code == 202
    each = [{**HELLO, "to": person, "attachments": report} for person in everybody]
    assert (await client.post(BATCH, json={"messages": each})).status_code == 202
    [file] = files(intake)
    assert base64.b64decode(file.read_bytes()) == REPORT
    assert await Message.objects.acount() == 1_001


async def test_a_large_attachment_in_json_is_stored_once_too(client: httpx.AsyncClient, intake: Intake) -> None:
    attachment = {"filename": "r.pdf", "content_base64": base64.b64encode(REPORT).decode()}
    for number in range(3):
        body = {**HELLO, "text": f"Hello {number}", "attachments": [attachment]}
        assert (await client.post(MESSAGES, json=body)).status_code == 202
    await uploaded(client)
    [file] = files(intake)
    assert base64.b64decode(file.read_bytes()) == REPORT
    messages = [message async for message in Message.objects.select_related("content")]
    assert {(await sync_to_async(attached)(intake, m))[0][2] for m in messages} == {REPORT}


async def test_the_same_file_has_the_same_id_and_another_type_another(client: httpx.AsyncClient) -> None:
    first = await uploaded(client)
    assert await uploaded(client) == first
    assert await uploaded(client, kind="image/png") != first


async def test_only_the_client_that_uploaded_it_can_attach_it(client: httpx.AsyncClient) -> None:
    blob = await uploaded(client)
    _, other = await sync_to_async(create_token)("Other", "send", "test")
    body = {**HELLO, "attachments": [{"filename": "r.pdf", "blob": blob}]}
    answer = await client.post(MESSAGES, json=body, headers={"Authorization": f"Bearer {other}"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "attachments.0.blob")
    assert (await client.post(MESSAGES, json=body)).status_code == 202


@pytest.mark.parametrize(
    ("attachment", "field"),
    [
        ({"blob": "nothing"}, "blob"),
        ({"blob": ""}, "blob"),
        ({"blob": ["x"]}, "blob"),
        ({"blob": "x" * 101}, "blob"),
        ({"blob": None}, "content_base64"),
        ({}, "content_base64"),
    ],
)
async def test_an_attachment_without_content_is_refused(
    client: httpx.AsyncClient, attachment: dict[str, Any], field: str
) -> None:
    answer = await client.post(MESSAGES, json={**HELLO, "attachments": [{"filename": "r.pdf", **attachment}]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, f"attachments.0.{field}")
    assert await Message.objects.acount() == 0


async def test_an_unused_upload_goes_and_one_that_a_message_carries_stays(
    client: httpx.AsyncClient, intake: Intake
) -> None:
    used, unused = await uploaded(client), await uploaded(client, b"another")
    body = {**HELLO, "attachments": [{"filename": "r.pdf", "blob": used}]}
    assert (await client.post(MESSAGES, json=body)).status_code == 202
    later = timezone.now() + KEPT_UNUSED + timedelta(hours=2)

    def let_go() -> None:
        list(sweep(Blobs(intake._blobs), None, timezone.now() + timedelta(hours=2)))
        assert len(files(intake)) == 2
        assert forget_unused(later) == 2
        list(sweep(Blobs(intake._blobs), None, later))

    await sync_to_async(let_go)()
    [file] = files(intake)
    assert base64.b64decode(file.read_bytes()) == REPORT
    answer = await client.post(MESSAGES, json={**HELLO, "attachments": [{"filename": "r.pdf", "blob": unused}]})
    assert answer.status_code == 422


async def test_an_old_upload_is_refused_before_it_is_forgotten(client: httpx.AsyncClient) -> None:
    blob = await uploaded(client)
    await Upload.objects.aupdate(used_at=timezone.now() - KEPT_UNUSED)
    answer = await client.post(MESSAGES, json={**HELLO, "attachments": [{"filename": "r.pdf", "blob": blob}]})
    assert answer.status_code == 422


async def test_b6_a_file_over_the_limit_leaves_nothing_behind(
    client: httpx.AsyncClient, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert intake._uploads is not None
    monkeypatch.setattr(intake._uploads, "_most_bytes", 1_000)
    assert (await client.post(BLOBS, content=b"x" * 1_000)).status_code == 201
    for content in (b"x" * 1_001, pieces(b"x" * 100, 11)):
        assert (await client.post(BLOBS, content=content)).status_code == 413
    assert await Upload.objects.acount() == 1
    assert len(files(intake)) == 1


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "message/rfc822", "nonsense"])
async def test_a_form_is_no_file(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post(BLOBS, content=b"x", headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["type"]) == (415, "/api/docs#problem-unsupported-type")


async def test_the_uploads_of_a_client_have_a_bound(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroom.flow.messages.upload.CLIENT_BYTES", 1_000)
    await uploaded(client)
    answer = await client.post(BLOBS, content=b"y")
    assert (answer.status_code, answer.json()["type"]) == (429, "/api/docs#problem-uploads-full")
    _, other = await sync_to_async(create_token)("Other", "send", "test")
    assert (await client.post(BLOBS, content=b"y", headers={"Authorization": f"Bearer {other}"})).status_code == 201


async def test_bodies_that_stall_keep_nobody_else_out(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "IDLE_S", 0.5)
    monkeypatch.setattr(large_bodies, "LARGE_AT_ONCE", 1)
    stalled = [asyncio.create_task(client.post(MESSAGES, content=stalling(), headers=JSON)) for _ in range(4)]
    await asyncio.sleep(0.1)
    text = {**HELLO, "text": "line\n" * 250_000}
    assert (await client.post(MESSAGES, json=text)).status_code == 202
    assert (await client.post(BLOBS, content=REPORT)).status_code == 201
    assert not any(task.done() for task in stalled)
    assert {answer.status_code for answer in await asyncio.gather(*stalled)} == {408}


async def test_one_client_has_only_so_many_large_bodies_on_their_way(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "IDLE_S", 0.5)
    monkeypatch.setattr(large_bodies, "ARRIVING_OF_ONE", 2)
    _, other = await sync_to_async(create_token)("Other", "send", "test")
    stalled = [asyncio.create_task(client.post(BLOBS, content=stalling())) for _ in range(2)]
    await asyncio.sleep(0.1)
    assert (await client.post(BLOBS, content=REPORT)).status_code == 503
    header = {"Authorization": f"Bearer {other}"}
    assert (await client.post(BLOBS, content=REPORT, headers=header)).status_code == 201
    assert {answer.status_code for answer in await asyncio.gather(*stalled)} == {408}
    assert (await client.post(BLOBS, content=REPORT)).status_code == 201


JSON = {"Content-Type": "application/json"}


async def pieces(piece: bytes, number: int) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield piece


async def stalling() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.sleep(5)
    yield b"}"
