"""Only requests that name our own host reach a door."""

import httpx
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application

from postroom.asgi import Application
from postroom.intake.intake import Intake

PATHS = ("/login", "/health/live", "/health/ready", "/static/postroom/postroom.css", "/api/docs", "/api/v1/messages")


@pytest.fixture
def caller(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", ["mail.example.org", *settings.ALLOWED_HOSTS])
    transport = httpx.ASGITransport(Application(intake, get_asgi_application()))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8025", "127.0.0.1.evil.example", "192.0.2.7", ""])
async def test_no_address_answers_to_a_foreign_host(caller: httpx.AsyncClient, path: str, host: str) -> None:
    answer = await caller.get(path, headers={"Host": host})
    assert answer.status_code == 400
    assert "POSTROOM_URL" in answer.text
    assert "evil" not in answer.text


async def test_no_message_is_taken_from_a_foreign_host(caller: httpx.AsyncClient, token: str) -> None:
    header = {"Host": "evil.example", "Authorization": f"Bearer {token}"}
    answer = await caller.post("/api/v1/messages", json={"to": "a@b.example", "text": "x"}, headers=header)
    assert (answer.status_code, answer.json()["type"]) == (400, "/api/docs#problem-host-not-allowed")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "host", ["mail.example.org", "Mail.Example.org:443", "localhost:8025", "127.0.0.1", "[::1]:80"]
)
async def test_our_own_hosts_are_answered_on_any_port(caller: httpx.AsyncClient, host: str) -> None:
    assert (await caller.get("/health/live", headers={"Host": host})).json() == {"status": "up"}
    assert (await caller.get("/login", headers={"Host": host})).status_code == 200


async def test_two_host_fields_are_refused(caller: httpx.AsyncClient) -> None:
    fields = [("Host", "localhost"), ("Host", "evil.example")]
    assert (await caller.get("/health/live", headers=fields)).status_code == 400
