"""POST /api/v1/messages: what is accepted is stored before 202, what isn't is refused by field."""

import asyncio
import base64
import email
import email.policy
import json
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from tests.outbox import octets_of

from postroom.flow.acceptance.queue_room import QueueLimits, QueueRoom
from postroom.flow.users.tokens import create_token
from postroom.intake.intake import BATCH, MESSAGES, Intake
from postroom.store.models import ApiToken, Delivery, Message, SmtpServer

pytestmark = pytest.mark.usefixtures("server")
HELLO = {"to": "Ann <ann@example.com>", "subject": "Sales", "text": "Hello"}


def content_of(intake: Intake, message: Message) -> bytes:
    return octets_of(message, intake._blobs)


async def one_message() -> Message:
    return await Message.objects.select_related("client", "server", "content").aget()


async def test_a_message_is_stored_before_202(client: httpx.AsyncClient, intake: Intake, server: SmtpServer) -> None:
    answer = await client.post(MESSAGES, json={**HELLO, "cc": ["bob@example.com"], "bcc": "eve@example.org"})
    assert answer.status_code == 202
    message = await one_message()
    recipients = ["ann@example.com", "bob@example.com", "eve@example.org"]
    deliveries = [d async for d in Delivery.objects.order_by("id")]
    assert answer.json() == {
        "id": message.id,
        "deliveries": [{"id": d.id, "recipient": d.recipient, "state": "queued"} for d in deliveries],
    }
    assert sorted(d.recipient for d in deliveries) == recipients
    assert message.client is not None
    assert (message.client.name, message.server_id, message.reverse_path) == (
        "Report server",
        server.id,
        "reports@company.example",
    )
    parsed = email.message_from_bytes(content_of(intake, message), policy=email.policy.SMTP)
    assert parsed["From"] == "Reports <reports@company.example>"
    assert parsed["Subject"] == "[R] Sales"
    assert "Bcc" not in parsed
    assert b"eve" not in content_of(intake, message)
    assert parsed["Message-ID"] == message.message_id


async def test_everything_that_may_be_said_of_a_message_is_kept(client: httpx.AsyncClient, intake: Intake) -> None:
    answer = await client.post(
        MESSAGES,
        json={
            "from": "Ann Lee <ann@example.com>",
            "to": ["a@example.com", "B, C <bc@example.com>".replace(",", "")],
            "subject": "Grüße",
            "html": "<p>Hallo <b>Welt</b></p>",
            "headers": {"X-Report": "7", "Message-ID": "<mine@example.com>"},
            "attachments": [
                {
                    "filename": "../a.csv",
                    "content_type": "text/csv",
                    "content_base64": base64.b64encode(b"a,b").decode(),
                }
            ],
            "purpose": "report",
            "priority": 3,
            "send_at": "2026-01-01T00:00:00+01:00",
            "expires_at": "2027-01-31T08:00:00Z",
            "server": "Relay",
            "tags": ["monthly"],
            "metadata": {"report": 7, "final": True},
        },
    )
    assert answer.status_code == 202, answer.text
    message = await one_message()
    assert (message.message_id, message.purpose, message.priority) == ("<mine@example.com>", "report", 3)
    assert (message.tags, message.metadata) == (["monthly"], {"report": 7, "final": True})
    assert message.attachments == [{"filename": "a.csv", "content_type": "text/csv", "size_bytes": 3}]
    parsed = email.message_from_bytes(content_of(intake, message), policy=email.policy.SMTP)
    assert (parsed["Reply-To"], parsed["X-Report"]) == ("Ann Lee <ann@example.com>", "7")
    assert parsed["Message-ID"] == "<mine@example.com>"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to": 3}, "to"),
        ({"to": ["ann@example.com", "nobody"]}, "to.1"),
        ({"to": "ann@example.com\r\nBcc: x@example.com"}, "to"),
        ({"to": []}, "to"),
        ({"text": None}, "text"),
        ({"text": 1}, "text"),
        ({"subject": "a\nBcc: x@example.com"}, "subject"),
        ({"subject": "x" * 999}, "subject"),
        ({"headers": {"Bcc": "x@example.com"}}, "headers.Bcc"),
        ({"headers": {"X-A": "a\u2028b"}}, "headers.X-A"),
        ({"headers": {"X-A": "a", "x-a": "b"}}, "headers.x-a"),
        ({"headers": {"X-A\r\nBcc": "a"}}, "headers.X-A\r\nBcc"),
        ({"headers": [["X-A", "a"]]}, "headers"),
        ({"colour": "red"}, "colour"),
        ({"template": "welcome"}, "template"),
        ({"data": {}}, "data"),
        ({"attachments": [{"filename": "a", "blob": "x", "content_base64": ""}]}, "attachments.0.blob"),
        ({"attachments": [{"filename": "a", "content_base64": "no!"}]}, "attachments.0.content_base64"),
        ({"attachments": [{"filename": "a", "path": "/etc/passwd", "content_base64": ""}]}, "attachments.0.path"),
        ({"attachments": [{"content_base64": "", "content_type": "multipart/mixed"}]}, "attachments.0.content_type"),
        ({"priority": "1"}, "priority"),
        ({"priority": True}, "priority"),
        ({"priority": 11}, "priority"),
        ({"purpose": "spam"}, "purpose"),
        ({"send_at": "tomorrow"}, "send_at"),
        ({"send_at": "2026-12-01T00:00:00"}, "send_at"),
        ({"send_at": "2099-12-01T00:00:00Z"}, "send_at"),
        ({"send_at": "0001-01-01T00:00:00+14:00"}, "send_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"server": "nowhere"}, "server"),
        ({"tags": "a"}, "tags"),
        ({"metadata": {"a": {"b": 1}}}, "metadata.a"),
        ({"metadata": {"a": "half \ud800"}}, "metadata.a"),
        ({"metadata": {"a": "nul \0"}}, "metadata.a"),
        ({"metadata": {"a\0b": 1}}, "metadata.a\0b.[key]"),
        ({"tags": ["monthly", "a\0b"]}, "tags.1"),
        ({"tags": ["half \udfff"]}, "tags.0"),
        ({"text": "half \ud800"}, "text"),
        ({"from": "nobody"}, "from"),
        ({"to": [f"r{n}@example.com" for n in range(1001)]}, "to"),
        ({"to": [f"r{n}@example.com" for n in range(600)], "cc": [f"c{n}@example.com" for n in range(600)]}, "to"),
    ],
)
async def test_a_field_that_can_t_be_taken_is_named(
    client: httpx.AsyncClient, changes: dict[str, Any], field: str
) -> None:
    octets = json.dumps({**HELLO, **changes}).encode()
    answer = await client.post(MESSAGES, content=octets, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert all(error["text"].endswith(".") for error in answer.json()["errors"])
    assert await Message.objects.acount() == 0


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{",
        b'{"to":"a@b.c","to":"d@e.f"}',
        b'{"priority":NaN}',
        b'{"metadata":{"size":1e999}}',
        b'{"metadata":{"size":-1e999}}',
        b"[" * 100 + b"]" * 100,
        b"[" * 200_000,
        b"\xff",
        b'{"x":' + b"9" * 5000 + b"}",
    ],
)
async def test_a_body_that_has_no_single_reading_is_refused(client: httpx.AsyncClient, octets: bytes) -> None:
    answer = await client.post(MESSAGES, content=octets, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["type"] == "/api/docs#problem-malformed"


async def test_a_body_over_the_limit_is_refused_before_it_is_read(client: httpx.AsyncClient) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        while True:
            read += 65_536
            yield b" " * 65_536

    header = {"Content-Type": "application/json"}
    streamed = await client.post(MESSAGES, content=endless(), headers=header)
    assert streamed.status_code == 413
    assert read < 2_300_000
    told = await client.post(MESSAGES, content=b" " * 2_000_001, headers=header)
    assert told.status_code == 413
    assert (await client.post(MESSAGES, content=b" " * 2_000_000, headers=header)).status_code == 400


async def test_only_json_is_read(client: httpx.AsyncClient) -> None:
    for header in ({"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}):
        assert (await client.post(MESSAGES, content=b"{}", headers=header)).status_code == 415


async def test_the_same_key_and_body_give_one_message_even_in_parallel(client: httpx.AsyncClient) -> None:
    header = {"Idempotency-Key": "order-7"}
    answers = await asyncio.gather(*(client.post(MESSAGES, json=HELLO, headers=header) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert await Message.objects.acount() == 1
    reordered = await client.post(MESSAGES, json=dict(reversed(HELLO.items())), headers=header)
    assert reordered.json() == answers[0].json()


async def test_the_same_key_with_another_body_is_a_conflict(client: httpx.AsyncClient) -> None:
    header = {"Idempotency-Key": "order-7"}
    assert (await client.post(MESSAGES, json=HELLO, headers=header)).status_code == 202
    other = await client.post(MESSAGES, json={**HELLO, "text": "Other"}, headers=header)
    assert (other.status_code, other.json()["type"]) == (409, "/api/docs#problem-idempotency-conflict")
    assert await Message.objects.acount() == 1
    for key in ("", "x" * 201, "ä"):
        refused = await client.post(MESSAGES, json=HELLO, headers={"Idempotency-Key": key.encode("utf-8")})  # type: ignore[dict-item]
        assert refused.status_code == 422


async def test_keys_of_different_clients_do_not_meet(client: httpx.AsyncClient) -> None:
    other = (await sync_to_async(create_token)("Other", "send", "test"))[1]
    first = await client.post(MESSAGES, json=HELLO, headers={"Idempotency-Key": "k"})
    second = await client.post(
        MESSAGES, json=HELLO, headers={"Idempotency-Key": "k", "Authorization": f"Bearer {other}"}
    )
    assert first.json()["id"] != second.json()["id"]


async def test_a_batch_is_taken_whole_or_not_at_all(client: httpx.AsyncClient) -> None:
    body = {"messages": [HELLO, {**HELLO, "to": "bob@example.com"}]}
    header = {"Idempotency-Key": "batch"}
    answer = await client.post(BATCH, json=body, headers=header)
    assert answer.status_code == 202
    assert [m["deliveries"][0]["recipient"] for m in answer.json()["messages"]] == [
        "ann@example.com",
        "bob@example.com",
    ]
    assert (await client.post(BATCH, json=body, headers=header)).json() == answer.json()
    refused = await client.post(BATCH, json={"messages": [HELLO, {**HELLO, "to": "x"}, {**HELLO, "colour": 1}]})
    assert [error["field"] for error in refused.json()["errors"]] == ["messages.1.to", "messages.2.colour"]
    assert await Message.objects.acount() == 2


@pytest.mark.parametrize(
    "body", [{}, [], {"messages": []}, {"messages": {}}, {"messages": [HELLO] * 1001}, {"messages": [HELLO], "x": 1}]
)
async def test_a_batch_of_another_shape_is_refused(client: httpx.AsyncClient, body: Any) -> None:
    assert (await client.post(BATCH, json=body)).status_code == 422


async def test_a_thousand_messages_fit_into_a_batch(client: httpx.AsyncClient) -> None:
    answer = await client.post(BATCH, json={"messages": [HELLO] * 1000}, timeout=60)
    assert len(answer.json()["messages"]) == 1000
    assert await Message.objects.acount() == 1000


async def test_the_client_s_own_from_is_used_where_the_server_says_so(
    client: httpx.AsyncClient, intake: Intake, server: SmtpServer
) -> None:
    server.settings = server.typed_settings.changed(from_policy="client").as_json()
    await server.asave()
    assert (await client.post(MESSAGES, json={**HELLO, "from": "Ann <ann@example.net>"})).status_code == 202
    message = await one_message()
    assert (message.reverse_path, message.from_header) == ("ann@example.net", "Ann <ann@example.net>")
    assert b"Reply-To" not in content_of(intake, message)


async def test_without_an_enabled_server_nothing_is_accepted(client: httpx.AsyncClient) -> None:
    await SmtpServer.objects.aupdate(enabled=False)
    answer = await client.post(MESSAGES, json=HELLO)
    assert (answer.status_code, answer.json()["type"]) == (503, "/api/docs#problem-no-smtp-server")


async def test_a_full_disk_is_507_and_nothing_is_queued(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("postroom.store.blobs.os.fsync", full)
        assert (await client.post(MESSAGES, json={**HELLO, "text": "Hello " * 20_000})).status_code == 507
    assert await Message.objects.acount() == 0
    assert (await client.post(MESSAGES, json=HELLO)).status_code == 202


async def test_the_token_s_use_is_noted(client: httpx.AsyncClient) -> None:
    await client.post(MESSAGES, json=HELLO)
    assert (await ApiToken.objects.aget()).last_used_at is not None


async def test_b8_a_full_queue_is_a_clear_refusal_and_another_client_is_not_touched(
    client: httpx.AsyncClient, intake: Intake
) -> None:
    assert intake._acceptor is not None
    intake._acceptor._room = QueueRoom(QueueLimits(in_all=100, per_client=3))
    three = {**HELLO, "to": ["a@example.com", "b@example.com", "c@example.com"]}
    assert (await client.post(MESSAGES, json=three)).status_code == 202
    refused = await client.post(MESSAGES, json=HELLO)
    assert (refused.status_code, refused.json()["type"]) == (429, "/api/docs#problem-queue-full")
    assert int(refused.headers["Retry-After"]) > 0
    assert (await client.post(BATCH, json={"messages": [HELLO]})).status_code == 429
    _, other = await sync_to_async(create_token)("Other", "send", "test")
    header = {"Authorization": f"Bearer {other}"}
    assert (await client.post(MESSAGES, json=HELLO, headers=header)).status_code == 202
    assert await Message.objects.acount() == 2
