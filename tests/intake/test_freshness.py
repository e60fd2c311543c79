"""What the hot door remembers is a second old at most: tokens, servers, rules."""

import asyncio
import time
from dataclasses import replace

import httpx
from asgiref.sync import sync_to_async
from django.utils import timezone

from postroom.flow.acceptance.fresh import Fresh
from postroom.flow.servers.configure import change_server, save_untested
from postroom.flow.users.tokens import create_token, revoke_token
from postroom.intake.intake import MESSAGES
from postroom.store.models import ApiToken, Message, SmtpServer

HELLO = {"to": "ann@example.com", "subject": "Sales", "text": "Hello"}
WITHIN_S = 1.0


async def until(client: httpx.AsyncClient, status: int, **more: object) -> float:
    """Seconds until a message is answered like that."""
    begun = time.monotonic()
    while True:
        asked = time.monotonic()
        if (await client.post(MESSAGES, json={**HELLO, **more})).status_code == status:
            return asked - begun
        assert asked - begun < 5
        await asyncio.sleep(0.01)


async def test_a_revoked_token_is_refused_within_a_second(client: httpx.AsyncClient, server: SmtpServer) -> None:
    assert server.enabled
    assert await until(client, 202) < WITHIN_S
    await sync_to_async(revoke_token)(await ApiToken.objects.aget(), "test")
    assert await until(client, 401) < WITHIN_S


async def test_a_token_of_another_scope_or_that_ended_is_refused_within_a_second(
    client: httpx.AsyncClient, server: SmtpServer
) -> None:
    assert server.enabled
    assert await until(client, 202) < WITHIN_S
    await ApiToken.objects.aupdate(scope="read")
    assert await until(client, 403) < WITHIN_S
    await ApiToken.objects.aupdate(scope="send", expires_at=timezone.now())
    assert await until(client, 401) < WITHIN_S


async def test_a_new_token_counts_at_once(client: httpx.AsyncClient, server: SmtpServer) -> None:
    assert server.enabled
    _, plain = await sync_to_async(create_token)("New", "send", "test")
    answer = await client.post(MESSAGES, json=HELLO, headers={"Authorization": f"Bearer {plain}"})
    assert answer.status_code == 202


async def test_a_server_that_is_switched_on_counts_at_once_and_a_changed_one_within_a_second(
    client: httpx.AsyncClient, server: SmtpServer
) -> None:
    await SmtpServer.objects.aupdate(enabled=False)
    assert (await client.post(MESSAGES, json=HELLO)).status_code == 503
    await SmtpServer.objects.aupdate(enabled=True)
    assert (await client.post(MESSAGES, json=HELLO)).status_code == 202
    await server.arefresh_from_db()
    await sync_to_async(change_server)(server, {"subject_prefix": "[New]"}, actor="test")
    await asyncio.sleep(WITHIN_S)
    assert (await client.post(MESSAGES, json=HELLO)).status_code == 202
    assert (await Message.objects.order_by("-id").afirst()).subject == "[New] Sales"  # type: ignore[union-attr]


async def test_a_new_server_can_be_named_at_once(client: httpx.AsyncClient, server: SmtpServer) -> None:
    assert (await client.post(MESSAGES, json={**HELLO, "server": "Later"})).status_code == 422
    assert (await client.post(MESSAGES, json=HELLO)).status_code == 202
    later = replace(server.typed_settings, name="Later")
    await sync_to_async(save_untested)(
        later, password=None, based_on=None, server=None, reason="for a test", use_unverified=True, actor="test"
    )
    assert (await client.post(MESSAGES, json={**HELLO, "server": "Later"})).status_code == 202


async def test_many_that_ask_at_once_are_answered_by_one_reading() -> None:
    read: list[str] = []

    def reading(key: str) -> str:
        read.append(key)
        time.sleep(0.05)
        return key.upper()

    fresh: Fresh[str, str] = Fresh(reading)
    assert set(await asyncio.gather(*(fresh.get("a") for _ in range(20)))) == {"A"}
    assert read == ["a"]
    assert fresh.young("a") == "A"


async def test_a_failed_reading_is_everybodys_and_the_next_one_reads_again() -> None:
    outcomes: list[str | None] = ["A", None]

    def reading(_: str) -> str | None:
        if len(outcomes) > 1:
            return outcomes.pop()
        outcomes.append("B")
        raise LookupError

    fresh: Fresh[str, str] = Fresh(reading)
    assert await fresh.get("a") is None
    answers = await asyncio.gather(*(fresh.get("a") for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, LookupError) for answer in answers)
    assert await fresh.get("a") == "B"
