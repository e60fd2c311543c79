"""Who may call what (W1): every address of the OpenAPI document × every kind of caller; one without an entry fails."""

import re
from typing import Any

import pytest

from postroom.api.openapi import document
from postroom.flow.users.tokens import create_token
from postroom.store.models import ApiToken

from .conftest import Call, caller

READ = {"read", "admin"}
SEND = {"send", "admin"}
ADMIN = {"admin"}
ALLOWED = {
    ("get", "/api/v1/messages"): READ | SEND,
    ("get", "/api/v1/messages/{message_id}"): READ | SEND,
    ("post", "/api/v1/messages/{message_id}/cancel"): SEND,
    ("post", "/api/v1/messages/{message_id}/retry"): SEND,
    ("post", "/api/v1/messages/{message_id}/resend"): SEND,
    ("get", "/api/v1/deliveries"): READ | SEND,
    ("get", "/api/v1/deliveries/{delivery_id}/route"): READ | SEND,
    ("get", "/api/v1/delivery-rules"): READ,
    ("post", "/api/v1/delivery-rules"): ADMIN,
    ("patch", "/api/v1/delivery-rules/{rule_id}"): ADMIN,
    ("delete", "/api/v1/delivery-rules/{rule_id}"): ADMIN,
    ("post", "/api/v1/schedules/explain"): READ,
    ("get", "/api/v1/load-plan"): READ,
    ("get", "/api/v1/holiday-calendars"): READ,
    ("post", "/api/v1/holiday-calendars"): ADMIN,
    ("get", "/api/v1/holiday-calendars/{calendar_id}"): READ,
    ("patch", "/api/v1/holiday-calendars/{calendar_id}"): ADMIN,
    ("delete", "/api/v1/holiday-calendars/{calendar_id}"): ADMIN,
    ("post", "/api/v1/route"): READ,
    ("get", "/api/v1/queue"): READ,
    ("get", "/api/v1/alerts"): READ,
    ("get", "/api/v1/alerts/{alert_id}"): READ,
    ("post", "/api/v1/alerts/{alert_id}/acknowledge"): ADMIN,
    ("post", "/api/v1/alerts/{alert_id}/accept"): ADMIN,
    ("get", "/api/v1/alert-rules"): READ,
    ("post", "/api/v1/alert-rules"): ADMIN,
    ("get", "/api/v1/alert-rules/{rule_id}"): READ,
    ("patch", "/api/v1/alert-rules/{rule_id}"): ADMIN,
    ("delete", "/api/v1/alert-rules/{rule_id}"): ADMIN,
    ("post", "/api/v1/alert-rules/{rule_id}/reset"): ADMIN,
    ("get", "/api/v1/alert-settings"): READ,
    ("patch", "/api/v1/alert-settings"): ADMIN,
    ("post", "/api/v1/notifications"): SEND,
    ("get", "/api/v1/activity"): READ,
    ("get", "/api/v1/providers"): READ,
    ("get", "/api/v1/smtp-servers"): READ,
    ("post", "/api/v1/smtp-servers"): ADMIN,
    ("post", "/api/v1/smtp-servers/test"): ADMIN,
    ("get", "/api/v1/smtp-servers/{server_id}"): READ,
    ("patch", "/api/v1/smtp-servers/{server_id}"): ADMIN,
    ("delete", "/api/v1/smtp-servers/{server_id}"): ADMIN,
    ("post", "/api/v1/smtp-servers/{server_id}/test"): ADMIN,
    ("post", "/api/v1/smtp-servers/{server_id}/pause"): ADMIN,
    ("post", "/api/v1/smtp-servers/{server_id}/resume"): ADMIN,
    ("get", "/api/v1/smtp-servers/{server_id}/test-mode"): READ,
    ("put", "/api/v1/smtp-servers/{server_id}/test-mode"): ADMIN,
    ("delete", "/api/v1/smtp-servers/{server_id}/test-mode"): ADMIN,
    ("get", "/api/v1/test-mode"): READ,
    ("put", "/api/v1/test-mode"): ADMIN,
    ("delete", "/api/v1/test-mode"): ADMIN,
    ("get", "/api/v1/tests/{test_id}"): READ,
    ("get", "/api/v1/tests/{test_id}/log"): READ,
    ("post", "/api/v1/tests/{test_id}/stop"): ADMIN,
    ("get", "/api/v1/dkim-keys"): READ,
    ("post", "/api/v1/dkim-keys"): ADMIN,
    ("get", "/api/v1/dkim-keys/{key_id}"): READ,
    ("delete", "/api/v1/dkim-keys/{key_id}"): ADMIN,
    ("post", "/api/v1/dkim-keys/{key_id}/check"): ADMIN,
    ("post", "/api/v1/dkim-keys/{key_id}/activate"): ADMIN,
    ("post", "/api/v1/dkim-keys/{key_id}/retire"): ADMIN,
    ("post", "/api/v1/domain-checks"): ADMIN,
    ("get", "/api/v1/domain-checks/{check_id}"): READ,
    ("get", "/api/v1/bounces"): READ | SEND,
    ("post", "/api/v1/bounces"): SEND,
    ("get", "/api/v1/report-sources"): READ,
    ("post", "/api/v1/report-sources"): ADMIN,
    ("get", "/api/v1/report-sources/{source_id}"): READ,
    ("patch", "/api/v1/report-sources/{source_id}"): ADMIN,
    ("delete", "/api/v1/report-sources/{source_id}"): ADMIN,
    ("post", "/api/v1/report-sources/{source_id}/try"): ADMIN,
    ("get", "/api/v1/source-tries/{try_id}"): READ,
    ("get", "/api/v1/sql-connections"): READ,
    ("post", "/api/v1/sql-connections"): ADMIN,
    ("get", "/api/v1/sql-connections/{connection_id}"): READ,
    ("patch", "/api/v1/sql-connections/{connection_id}"): ADMIN,
    ("delete", "/api/v1/sql-connections/{connection_id}"): ADMIN,
    ("post", "/api/v1/sql-connections/{connection_id}/try"): ADMIN,
    ("get", "/api/v1/subscriptions"): READ,
    ("post", "/api/v1/subscriptions"): ADMIN,
    ("get", "/api/v1/subscriptions/{subscription_id}"): READ,
    ("patch", "/api/v1/subscriptions/{subscription_id}"): ADMIN,
    ("delete", "/api/v1/subscriptions/{subscription_id}"): ADMIN,
    ("post", "/api/v1/subscriptions/{subscription_id}/run"): SEND,
    ("post", "/api/v1/subscriptions/{subscription_id}/pause"): ADMIN,
    ("post", "/api/v1/subscriptions/{subscription_id}/resume"): ADMIN,
    ("get", "/api/v1/subscriptions/{subscription_id}/left"): READ,
    ("get", "/api/v1/subscriptions/{subscription_id}/runs"): READ,
    ("get", "/api/v1/subscriptions/{subscription_id}/runs/{run_id}"): READ,
    ("get", "/api/v1/subscriptions/{subscription_id}/runs/{run_id}/recipients"): READ,
    ("post", "/api/v1/subscriptions/{subscription_id}/runs/{run_id}/stop"): ADMIN,
    ("post", "/api/v1/subscriptions/{subscription_id}/runs/{run_id}/retry"): ADMIN,
    ("get", "/api/v1/suppressions"): READ,
    ("post", "/api/v1/suppressions"): ADMIN,
    ("get", "/api/v1/suppressions/{suppression_id}"): READ,
    ("delete", "/api/v1/suppressions/{suppression_id}"): ADMIN,
    ("get", "/api/v1/recipients"): READ,
    ("post", "/api/v1/recipients"): ADMIN,
    ("post", "/api/v1/recipients/import"): ADMIN,
    ("post", "/api/v1/recipients/imports/{import_id}/undo"): ADMIN,
    ("get", "/api/v1/recipients/{recipient_id}"): READ,
    ("patch", "/api/v1/recipients/{recipient_id}"): ADMIN,
    ("delete", "/api/v1/recipients/{recipient_id}"): ADMIN,
    ("get", "/api/v1/recipient-domains"): READ,
    ("put", "/api/v1/recipient-domains"): ADMIN,
    ("get", "/api/v1/announcements"): READ,
    ("post", "/api/v1/announcements"): ADMIN,
    ("post", "/api/v1/announcements/preview"): READ,
    ("get", "/api/v1/announcements/{announcement_id}"): READ,
    ("get", "/api/v1/announcements/{announcement_id}/recipients"): READ,
    ("post", "/api/v1/announcements/{announcement_id}/stop"): ADMIN,
    ("get", "/api/v1/users/invitations"): ADMIN,
    ("post", "/api/v1/users/invitations"): ADMIN,
    ("get", "/api/v1/groups"): READ,
    ("post", "/api/v1/groups"): ADMIN,
    ("get", "/api/v1/groups/{group_id}"): READ,
    ("patch", "/api/v1/groups/{group_id}"): ADMIN,
    ("delete", "/api/v1/groups/{group_id}"): ADMIN,
    ("post", "/api/v1/groups/{group_id}/members"): ADMIN,
    ("get", "/api/v1/templates"): READ,
    ("post", "/api/v1/templates"): ADMIN,
    ("get", "/api/v1/templates/{template_id}"): READ,
    ("patch", "/api/v1/templates/{template_id}"): ADMIN,
    ("delete", "/api/v1/templates/{template_id}"): ADMIN,
    ("get", "/api/v1/templates/{template_id}/versions"): READ,
    ("get", "/api/v1/templates/{template_id}/versions/{version}"): READ,
    ("post", "/api/v1/templates/{template_id}/use"): ADMIN,
    ("post", "/api/v1/templates/{template_id}/preview"): READ,
    ("get", "/api/v1/branding"): READ,
    ("patch", "/api/v1/branding"): ADMIN,
    ("get", "/api/v1/webhooks"): READ,
    ("post", "/api/v1/webhooks"): ADMIN,
    ("get", "/api/v1/webhooks/{webhook_id}"): READ,
    ("patch", "/api/v1/webhooks/{webhook_id}"): ADMIN,
    ("delete", "/api/v1/webhooks/{webhook_id}"): ADMIN,
    ("post", "/api/v1/webhooks/{webhook_id}/pause"): ADMIN,
    ("post", "/api/v1/webhooks/{webhook_id}/resume"): ADMIN,
    ("post", "/api/v1/webhooks/{webhook_id}/secret"): ADMIN,
    ("post", "/api/v1/webhooks/{webhook_id}/test"): ADMIN,
    ("post", "/api/v1/webhooks/{webhook_id}/replay"): ADMIN,
    ("get", "/api/v1/webhooks/{webhook_id}/deliveries"): READ,
    ("get", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}"): READ,
    ("post", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"): ADMIN,
}
# The intake stands in front of Django; tests/intake/test_authorization.py asks it the same.
INTAKE = {
    ("post", "/api/v1/messages"), ("post", "/api/v1/messages/batch"), ("post", "/api/v1/blobs"),
    ("post", "/api/v1/report-sources/{source_id}/report"),
}
OPERATIONS = sorted((method, path) for path, item in document()["paths"].items() for method in item)


def test_every_operation_has_an_entry() -> None:
    assert set(OPERATIONS) - INTAKE == set(ALLOWED)
    assert set(OPERATIONS) >= INTAKE


@pytest.mark.parametrize(("method", "path"), sorted(ALLOWED))
def test_only_the_scopes_of_the_matrix_come_in(callers: dict[str, Call], method: str, path: str) -> None:
    for who, call in callers.items():
        answer = call(method, re.sub(r"\{\w+\}", "X", path), {})
        if who in ("stranger", "revoked"):
            assert answer.status_code == 401, who
            assert answer["WWW-Authenticate"].startswith("Bearer")
        elif who in ALLOWED[method, path]:
            assert answer.status_code in (200, 404, 415, 422), (who, answer.content)
        else:
            assert answer.status_code == 403, who
        if answer.status_code >= 400:
            assert answer["Content-Type"] == "application/problem+json"


def test_an_expired_token_is_a_stranger() -> None:
    token, plain = create_token("Old", "admin", "test")
    call = caller(plain)
    assert call("get", "/api/v1/messages").status_code == 200
    ApiToken.objects.filter(pk=token.pk).update(expires_at="2026-01-01T00:00:00Z")
    assert call("get", "/api/v1/messages").status_code == 401


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "pr_x", "Bearer pr_", "Bearer " + "x" * 5000, "Bearer pr_é"],
)
def test_anything_but_a_token_is_answered_alike(authorization: str) -> None:
    answer = caller(None)("get", "/api/v1/messages", Authorization=authorization)
    assert answer.status_code == 401
    assert answer.json() == caller(None)("get", "/api/v1/messages").json()


def test_a_token_s_use_is_noted_and_its_text_is_not_stored(reader: Call) -> None:
    assert reader("get", "/api/v1/messages").status_code == 200
    token = ApiToken.objects.get(name="Reader")
    assert token.last_used_at is not None
    assert not token.digest.startswith("pr_")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/api/docs", "/api/v1/openapi.json"])
def test_health_and_documentation_are_public(path: str) -> None:
    assert caller(None)("get", path).status_code == 200


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1/", "/api/v1/nothing", "/api/v2/messages"])
def test_any_other_address_is_a_problem(reader: Call, path: str) -> None:
    answer = reader("get", path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_a_method_that_an_address_has_not_is_a_problem(admin: Call) -> None:
    answer: Any = admin("put", "/api/v1/smtp-servers", {})
    assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")
    assert "POST" in answer["Allow"]
