"""Health: up, ready, degraded; the public form names no cause (O3)."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from postroom.flow.servers.configure import save_untested
from postroom.store.models import InstanceValue, SmtpServer
from postroom.terms.server import Security, ServerSettings

from .conftest import Call, caller

RELAY = ServerSettings(
    name="Relay", from_address="r@company.example", host="smtp.company.example", port=25, security=Security.NONE
)


def beat(age: timedelta = timedelta(0), state: str = "running") -> None:
    value = {"at": (timezone.now() - age).isoformat(), "state": state}
    InstanceValue.objects.update_or_create(name="engine_heartbeat", defaults={"value": value})


@pytest.fixture
def relay() -> SmtpServer:
    return save_untested(
        RELAY, password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test"
    )


def causes(call: Call) -> list[str]:
    return [cause["cause"] for cause in call("get", "/health/ready").json().get("causes", [])]


def test_up_needs_nothing() -> None:
    assert caller(None)("get", "/health/live").json() == {"status": "up"}


@pytest.mark.usefixtures("relay")
def test_ready_when_an_engine_runs_and_a_server_takes_deliveries(sender: Call) -> None:
    beat()
    answer = sender("get", "/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


def test_the_sandbox_alone_does_not_make_it_ready_while_the_real_server_is_switched_off(
    sender: Call, relay: SmtpServer
) -> None:
    beat()
    SmtpServer.objects.filter(pk=relay.pk).update(is_sandbox=True, name="Sandbox")
    assert causes(sender) == []
    save_untested(
        RELAY, password=None, based_on=None, server=None, reason="test", use_unverified=False, actor="test"
    )
    SmtpServer.objects.filter(is_sandbox=False).update(enabled=False)
    assert causes(sender) == ["no-smtp-server"]


def test_degraded_says_why_to_those_who_have_a_token(sender: Call, relay: SmtpServer) -> None:
    for age, state in ((timedelta(minutes=5), "running"), (timedelta(0), "stopped")):
        beat(age, state)
        assert caller(None)("get", "/health/ready").json() == {"status": "degraded"}
        assert causes(sender) == ["engine-stopped"]
    beat()
    SmtpServer.objects.filter(pk=relay.pk).update(use_unverified=False)
    assert causes(sender) == ["no-smtp-server"]
    relay.refresh_from_db()
    relay.verified_fingerprint = relay.typed_settings.fingerprint("")
    relay.failing_since = timezone.now()
    relay.save()
    assert causes(sender) == ["smtp-server-failing"]


def test_an_unreadable_database_is_503_without_a_word_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise DatabaseError("disk I/O error at /secret/path")

    monkeypatch.setattr("postroom.api.health.engine_is_running", broken)
    answer = caller(None)("get", "/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
