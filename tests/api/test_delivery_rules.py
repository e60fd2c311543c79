"""Delivery rules and explain route over the API."""

from typing import Any

import pytest

from postroom.flow.servers.configure import save_untested
from postroom.store.models import AuditEntry, DeliveryRule, SmtpServer
from postroom.terms.server import Security, ServerSettings

from .conftest import Call

PATH = "/api/v1/delivery-rules"


@pytest.fixture
def relay() -> SmtpServer:
    return server("Relay", make_default=True)


def server(name: str, **values: Any) -> SmtpServer:
    settings = ServerSettings(
        name=name, from_address="reports@company.example", host="smtp.company.example", port=25, security=Security.NONE
    )
    return save_untested(
        settings, password=None, based_on=None, server=None, reason="for a test", use_unverified=True, actor="test",
        **values,
    )


def test_a_rule_is_added_changed_moved_and_removed_and_each_is_audited(admin: Call, relay: SmtpServer) -> None:
    first = admin("post", PATH, {"server": relay.pk, "purposes": ["report"], "name": "Reports"})
    assert first.status_code == 201
    domains = ["Example.ORG", "*.example.org"]
    second = admin("post", PATH, {"server": relay.pk, "recipient_domains": domains, "position": 0})
    assert (second.status_code, second.json()["position"]) == (201, 0)
    assert second.json()["recipient_domains"] == ["example.org", "*.example.org"]
    changed = admin("patch", f"{PATH}/{first.json()['id']}", {"senders": ["reports@company.example"], "position": 0})
    assert changed.json()["position"] == 0
    assert changed.json()["purposes"] == ["report"]
    assert [rule["id"] for rule in admin("get", PATH).json()["delivery_rules"]] == [
        first.json()["id"], second.json()["id"]
    ]
    assert admin("delete", f"{PATH}/{first.json()['id']}").status_code == 204
    assert [row.position for row in DeliveryRule.objects.all()] == [0]
    actions = set(AuditEntry.objects.filter(action__startswith="rule.").values_list("action", flat=True))
    assert actions == {"rule.add", "rule.change", "rule.move", "rule.remove"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "server"),
        ({"server": "nothing"}, "server"),
        ({"purposes": ["letters"]}, "purposes"),
        ({"recipient_domains": ["not a domain"]}, "recipient_domains"),
        ({"senders": ["@"]}, "senders"),
        ({"clients": ["nobody"]}, "clients"),
        ({"tags": [""]}, "tags"),
        ({"min_attempts": 51}, "min_attempts"),
        ({"min_attempts": 2, "only": True}, "only"),
        ({"weight": 1}, "weight"),
    ],
)
def test_what_is_wrong_with_a_rule_is_named(admin: Call, relay: SmtpServer, body: dict[str, Any], field: str) -> None:
    if "server" not in body and body:
        body = {**body, "server": relay.pk}
    answer = admin("post", PATH, body)
    assert answer.status_code == 422
    assert [error["field"].split(".")[0] for error in answer.json()["errors"]] == [field]
    assert DeliveryRule.objects.count() == 0


def test_the_route_of_a_message_tells_rule_server_and_times(admin: Call, reader: Call, relay: SmtpServer) -> None:
    cloud = server("Cloud")
    admin("post", PATH, {"server": cloud.pk, "purposes": ["report"], "name": "Reports"})
    answer = reader("post", "/api/v1/route", {"to": "ann@example.org", "purpose": "report"})
    assert answer.status_code == 200
    texts = [step["text"] for step in answer.json()["steps"]]
    assert texts[:2] == ["Reports fits: Cloud takes it.", "If Cloud fails as a whole, Relay takes over."]
    assert len(answer.json()["attempts_at"]) == 8
    other = reader("post", "/api/v1/route", {"to": ["ann@example.org"], "from": "Ann <ann@company.example>"})
    assert "Reports does not decide: the purpose is another." in [step["text"] for step in other.json()["steps"]]
    assert relay.name in str(other.json())


@pytest.mark.parametrize(
    ("body", "field"),
    [({"to": "nobody"}, "to"), ({"to": "a@example.org", "client": "x"}, "client"),
     ({"to": "a@example.org", "server": "x"}, "server")],
)
def test_a_question_that_cannot_be_answered_names_its_field(
    reader: Call, relay: SmtpServer, body: dict[str, Any], field: str  # noqa: ARG001
) -> None:
    answer = reader("post", "/api/v1/route", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
