"""Bounces and suppressed recipients over the API."""

from typing import Any

import pytest
from django.test import Client
from tests.bounced import dsn, sent

from postroom.flow.users.tokens import create_token
from postroom.store.models import AuditEntry, Bounce, Message, Suppression

from .conftest import Call


def handed_in(octets: bytes, scope: str = "send", kind: str = "message/rfc822") -> Any:
    token, plain = create_token("Mail server", scope, "test")
    Message.objects.filter(client=None).update(client=token)
    return Client().post(
        "/api/v1/bounces", octets, content_type=kind, headers={"Authorization": f"Bearer {plain}"}
    )


def test_a_bounce_handed_in_is_recorded_and_told(reader: Call) -> None:
    delivery = sent()
    answer = handed_in(dsn())
    assert answer.status_code == 200
    assert answer.json()["verdict"] == "recorded"
    assert answer.json()["suppressed"] == ["anna@customer.example"]
    [bounce] = answer.json()["bounces"]
    assert (bounce["delivery"], bounce["status"], bounce["cause"], bounce["way"]) == (
        delivery.pk, "5.1.1", "recipient-unknown", "api",
    )
    assert bounce["finding"]["title"]
    [listed] = reader("get", "/api/v1/bounces?kind=failed&recipient=anna@customer.example").json()["bounces"]
    assert listed == bounce


def test_what_is_no_report_of_ours_is_said_and_not_kept() -> None:
    sent()
    assert handed_in(b"Subject: hello\r\n\r\nHello\r\n").json()["verdict"] == "no-report"
    assert handed_in(dsn(message_id="<other@x.example>")).json()["verdict"] == "unmatched"
    assert not Bounce.objects.exists()


@pytest.mark.parametrize(("body", "kind", "status"), [
    (b"{}", "application/json", 415), (b"x" * 2_100_000, "message/rfc822", 413),
])
def test_only_a_message_of_some_size_is_taken(body: bytes, kind: str, status: int) -> None:
    assert handed_in(body, kind=kind).status_code == status


def test_a_sending_token_sees_what_came_back_of_its_own_messages_only(sender: Call, reader: Call) -> None:
    sent()
    assert handed_in(dsn()).json()["bounces"]
    assert sender("get", "/api/v1/bounces").json()["bounces"] == []
    assert len(reader("get", "/api/v1/bounces").json()["bounces"]) == 1


def test_a_sending_token_has_nobody_suppressed_who_got_mail_of_another_client() -> None:
    sent()
    Message.objects.update(client=create_token("Payroll", "send", "test")[0])
    answer = handed_in(dsn()).json()
    assert (answer["verdict"], answer["suppressed"]) == ("unmatched", [])
    assert not Bounce.objects.exists()
    assert not Suppression.objects.exists()
    assert handed_in(dsn(), scope="admin").json()["suppressed"] == ["anna@customer.example"]


def test_a_message_tells_its_bounces_beside_each_delivery(reader: Call) -> None:
    delivery = sent()
    handed_in(dsn())
    document = reader("get", f"/api/v1/messages/{delivery.message_id}").json()
    assert document["deliveries"][0]["state"] == "sent"
    assert [b["status"] for b in document["deliveries"][0]["bounces"]] == ["5.1.1"]


def test_messages_with_a_bounce_can_be_asked_for(reader: Call) -> None:
    first = sent()
    sent("ben@customer.example", message_id="<01kother@reports.example>")
    handed_in(dsn())
    found = reader("get", "/api/v1/messages?bounce=failed").json()["messages"]
    assert [message["id"] for message in found] == [first.message_id]


def test_a_recipient_is_suppressed_told_and_let_back_in(admin: Call, reader: Call) -> None:
    body = {"address": "Ann@Example.com", "evidence": "asked by phone"}
    answer = admin("post", "/api/v1/suppressions", body)
    assert answer.status_code == 201
    row = answer.json()
    assert (row["address"], row["list"], row["reason"]) == ("ann@example.com", "", "manual")
    assert admin("post", "/api/v1/suppressions", body).status_code == 200
    assert reader("get", f"/api/v1/suppressions/{row['id']}").json() == row
    assert reader("get", "/api/v1/suppressions?address=ANN@example.com").json()["suppressions"] == [row]
    assert admin("delete", f"/api/v1/suppressions/{row['id']}").status_code == 204
    assert not Suppression.objects.exists()
    actions = list(AuditEntry.objects.filter(subject="ann@example.com").values_list("action", flat=True))
    assert sorted(actions) == ["suppression.add", "suppression.remove"]


def test_who_unsubscribes_without_a_list_leaves_every_list(admin: Call) -> None:
    body = {"address": "ann@example.com", "reason": "unsubscribe"}
    assert admin("post", "/api/v1/suppressions", body).json()["list"] == "*"


@pytest.mark.parametrize(("body", "field"), [
    ({"address": "no address"}, "address"), ({"address": "a@b.example", "reason": "because"}, "reason"),
    ({"address": "a@b.example", "list": " "}, "list"), ({"address": "a@b.example", "until": "x"}, "until"),
    ({}, "address"),
])
def test_what_can_not_be_suppressed_is_named(admin: Call, body: dict[str, str], field: str) -> None:
    answer = admin("post", "/api/v1/suppressions", body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
