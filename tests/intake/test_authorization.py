"""Who may hand over messages (W1)."""

import httpx
import pytest
from asgiref.sync import sync_to_async

from postroom.flow.tokens import create_token, revoke_token
from postroom.intake.intake import BATCH, MESSAGES
from postroom.store.models import Message

pytestmark = pytest.mark.usefixtures("server")


@pytest.mark.parametrize("path", [MESSAGES, BATCH])
async def test_only_sending_and_administering_tokens_come_in(client: httpx.AsyncClient, path: str) -> None:
    message = {"to": "ann@example.com", "text": "Hello"}
    body = message if path == MESSAGES else {"messages": [message]}
    revoked, plain = await sync_to_async(create_token)("Revoked", "send", "test")
    await sync_to_async(revoke_token)(revoked, "test")
    answers = {"stranger": await client.post(path, json=body, headers={"Authorization": ""})}
    answers["revoked"] = await client.post(path, json=body, headers={"Authorization": f"Bearer {plain}"})
    for scope in ("read", "send", "admin"):
        _, plain = await sync_to_async(create_token)(scope, scope, "test")
        answers[scope] = await client.post(path, json=body, headers={"Authorization": f"Bearer {plain}"})
    statuses = {who: answer.status_code for who, answer in answers.items()}
    assert statuses == {"stranger": 401, "revoked": 401, "read": 403, "send": 202, "admin": 202}
    assert await Message.objects.acount() == 2


async def test_a_stranger_s_body_is_not_read(client: httpx.AsyncClient) -> None:
    async def never() -> object:
        raise AssertionError("the body of a stranger was read")
        yield b""

    answer = await client.post(MESSAGES, content=never(), headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.headers["Connection"]) == (401, "close")
