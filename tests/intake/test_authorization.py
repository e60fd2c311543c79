"""Who may hand over messages (W1)."""

import httpx
import pytest
from asgiref.sync import sync_to_async

from postroom.flow.users.tokens import create_token, revoke_token
from postroom.intake.intake import BATCH, MESSAGES
from postroom.intake.uploads import BLOBS
from postroom.store.models import Message, Upload

pytestmark = pytest.mark.usefixtures("server")


@pytest.mark.parametrize("path", [MESSAGES, BATCH, BLOBS])
async def test_only_sending_and_administering_tokens_come_in(client: httpx.AsyncClient, path: str) -> None:
    message = {"to": "ann@example.com", "text": "Hello"}
    body = {"messages": [message]} if path == BATCH else message
    revoked, plain = await sync_to_async(create_token)("Revoked", "send", "test")
    await sync_to_async(revoke_token)(revoked, "test")
    answers = {"stranger": await client.post(path, json=body, headers={"Authorization": ""})}
    answers["revoked"] = await client.post(path, json=body, headers={"Authorization": f"Bearer {plain}"})
    for scope in ("read", "send", "admin"):
        _, plain = await sync_to_async(create_token)(scope, scope, "test")
        answers[scope] = await client.post(path, json=body, headers={"Authorization": f"Bearer {plain}"})
    statuses = {who: answer.status_code for who, answer in answers.items()}
    taken = 201 if path == BLOBS else 202
    assert statuses == {"stranger": 401, "revoked": 401, "read": 403, "send": taken, "admin": taken}
    assert await Message.objects.acount() + await Upload.objects.acount() == 2


@pytest.mark.parametrize("path", [MESSAGES, BATCH, BLOBS])
async def test_a_stranger_s_body_is_not_read(client: httpx.AsyncClient, path: str) -> None:
    async def never() -> object:
        raise AssertionError("the body of a stranger was read")
        yield b""

    answer = await client.post(path, content=never(), headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.headers["Connection"]) == (401, "close")
