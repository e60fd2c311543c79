"""Test mode over the API: of the whole site, and of a server."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from postroom.flow.servers.configure import save_untested
from postroom.flow.users.tokens import create_token
from postroom.store.models import ApiToken, AuditEntry, SmtpServer
from postroom.terms.server import Security, ServerSettings

pytestmark = pytest.mark.django_db(transaction=True)
OFF = {"is_on": False, "address": None, "until": None, "by": None}


@pytest.fixture
def server() -> SmtpServer:
    settings = ServerSettings(
        name="Relay", from_address="reports@company.example", host="smtp.company.example", port=25,
        security=Security.NONE,
    )
    return save_untested(
        settings, password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test"
    )


@pytest.fixture
def places(server: SmtpServer) -> list[str]:
    return ["/api/v1/test-mode", f"/api/v1/smtp-servers/{server.pk}/test-mode"]


@pytest.fixture
def ask() -> Any:
    _, text = create_token("admin", ApiToken.Scope.ADMIN, "test")
    client = Client(headers={"Authorization": f"Bearer {text}"})

    def asked(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = client.generic(method, path, b"" if body is None else _json(body), "application/json")
        return answer.status_code, answer.json() if answer.content else None

    return asked


def _json(body: Any) -> bytes:
    import json

    return json.dumps(body).encode()


def test_it_is_switched_on_until_a_time_and_off(places: list[str], ask: Any) -> None:
    until = (timezone.now() + timedelta(hours=3)).isoformat()
    for place in places:
        assert ask("GET", place) == (200, OFF)
        status, mode = ask("PUT", place, {"address": "marta@company.example", "until": until})
        assert (status, mode["is_on"], mode["address"]) == (200, True, "marta@company.example")
        assert ask("GET", place)[1] == mode
        assert ask("DELETE", place) == (204, None)
        assert ask("GET", place) == (200, OFF)
    assert AuditEntry.objects.filter(action="test-mode.on").count() == 2


def test_without_a_time_it_ends_in_a_day(places: list[str], ask: Any) -> None:
    mode = ask("PUT", places[0], {"address": "marta@company.example"})[1]
    assert mode["until"][:13] == (timezone.now() + timedelta(days=1)).isoformat()[:13]


def test_what_can_not_be_names_its_field_and_off_twice_is_not_found(places: list[str], ask: Any) -> None:
    for place in places:
        status, problem = ask("PUT", place, {"address": "nobody", "until": "2020-01-01T00:00:00Z"})
        assert (status, [error["field"] for error in problem["errors"]]) == (422, ["address", "until"])
        assert ask("DELETE", place)[0] == 404
