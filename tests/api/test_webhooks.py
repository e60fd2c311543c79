"""Webhooks over the API: kept, shown without what is secret, tested and replayed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings

from postroom.flow.webhooks.webhook_attempt import Outcome, settle
from postroom.flow.webhooks.webhook_send import distribute
from postroom.flow.webhooks.webhooks import signing_secrets
from postroom.net.webhook_post import Answer
from postroom.store.event_triggers import arrange, remove_all
from postroom.store.models import AuditEntry, Event, Suppression, Webhook, WebhookDelivery
from postroom.terms.event import SUBSCRIBABLE

from .conftest import Call

URL = "/api/v1/webhooks"
GOOD = {"name": "App", "url": "https://app.example.com/events?key=s3cret", "events": ["recipient.unsubscribed"]}
NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)


@pytest.fixture
def webhook(admin: Call) -> dict[str, Any]:
    answer = admin("post", URL, GOOD)
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


def left(address: str = "ann@example.org") -> None:
    Suppression.objects.create(address=address, reason="unsubscribe", list_name="News", since=NOW)


def told_of(address: str = "ann@example.org") -> WebhookDelivery:
    left(address)
    distribute(NOW)
    return WebhookDelivery.objects.latest("pk")


def test_the_secret_is_told_once_and_stored_sealed(admin: Call, webhook: dict[str, Any]) -> None:
    row = Webhook.objects.get(pk=webhook["id"])
    assert webhook["secret"].startswith("whsec_")
    assert webhook["secret"] not in row.sealed_secret
    assert signing_secrets(row, NOW) == [webhook["secret"]]
    assert "secret" not in admin("get", f"{URL}/{row.pk}").json()


def test_a_secret_of_one_s_own_is_taken(admin: Call) -> None:
    own = "whsec_" + "QUJD" * 10
    made = admin("post", URL, {**GOOD, "secret": own}).json()
    assert made["secret"] == own
    assert signing_secrets(Webhook.objects.get(), NOW) == [own]


def test_a_new_secret_signs_beside_the_former_one(admin: Call, webhook: dict[str, Any]) -> None:
    renewed = admin("post", f"{URL}/{webhook['id']}/secret", {}).json()
    row = Webhook.objects.get()
    assert row.previous_until is not None
    assert signing_secrets(row, datetime.now(UTC)) == [renewed["secret"], webhook["secret"]]
    assert signing_secrets(row, row.previous_until) == [renewed["secret"]]
    at_once = admin("post", f"{URL}/{webhook['id']}/secret", {"keep_former_s": 0}).json()
    assert signing_secrets(Webhook.objects.get(), datetime.now(UTC)) == [at_once["secret"]]


def test_who_only_reads_sees_no_query_of_the_address(admin: Call, reader: Call, webhook: dict[str, Any]) -> None:
    assert reader("get", f"{URL}/{webhook['id']}").json()["url"] == "https://app.example.com/events?…"
    assert admin("get", URL).json()["webhooks"][0]["url"] == GOOD["url"]
    assert "s3cret" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))


@pytest.mark.parametrize("url", [
    "", "app.example.com/events", "ftp://app.example.com/", "https://", "https://user:pw@app.example.com/",
    "https://app.example.com/#part", "https://app.example.com:0/", "https://app.example.com:99999/",
    "https://bücher.example/", "https://app.example.com/a b", "http://127.0.0.1/", "http://[::1]/", "http://10.0.0.8/",
    "http://169.254.169.254/latest", "http://[::ffff:127.0.0.1]/", "http://2130706433/", "https://a/\r\nX: y",
    "https://app.example.com/" + "x" * 2_000,
])
def test_e3_an_address_that_is_none_or_internal_is_refused(admin: Call, url: str) -> None:
    answer = admin("post", URL, {**GOOD, "url": url})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["url"]
    assert Webhook.objects.count() == 0


def test_every_field_at_fault_is_named(admin: Call) -> None:
    admin("post", URL, GOOD)
    answer = admin("post", URL, {"name": "App", "url": "x", "events": ["message.opened"], "secret": "short"})
    assert {error["field"] for error in answer.json()["errors"]} == {"name", "url", "events", "secret"}


def test_events_are_written_only_while_a_working_webhook_wants_them(admin: Call, webhook: dict[str, Any]) -> None:
    left()
    assert Event.objects.count() == 1
    admin("post", f"{URL}/{webhook['id']}/pause", {})
    left("bob@example.org")
    assert Event.objects.count() == 1
    admin("post", f"{URL}/{webhook['id']}/resume", {})
    left("cyd@example.org")
    assert Event.objects.count() == 2
    admin("patch", f"{URL}/{webhook['id']}", {"events": ["message.sent"]})
    left("dan@example.org")
    assert Event.objects.count() == 2
    admin("delete", f"{URL}/{webhook['id']}")
    left("eve@example.org")
    assert Event.objects.count() == 2
    distribute(NOW)
    assert Event.objects.count() == 0


def test_what_happened_is_told_to_each_webhook_that_wants_it(admin: Call, webhook: dict[str, Any]) -> None:
    admin("post", URL, {"name": "All", "url": "https://all.example.com/", "events": []})
    admin("post", URL, {"name": "Other", "url": "https://other.example.com/", "events": ["message.sent"]})
    told_of()
    bodies = list(WebhookDelivery.objects.values_list("webhook__name", "body"))
    assert {name for name, _ in bodies} == {"App", "All"}
    assert len({body for _, body in bodies}) == 1
    data = '"data":{"recipient":"ann@example.org","list":"News","anymail":{"event_type":"unsubscribed"'
    assert data in bodies[0][1]
    assert webhook["events"] == ["recipient.unsubscribed"]


def test_the_history_shows_attempts_and_replays(admin: Call, reader: Call, webhook: dict[str, Any]) -> None:
    row, address = told_of(), f"{URL}/{webhook['id']}/deliveries"
    settle(row, Outcome(NOW, 0.2, Answer(500, "oops", None)), 0.5)
    shown = reader("get", address).json()["deliveries"][0]
    assert (shown["state"], shown["attempt_count"], shown["attempts"][0]["status"]) == ("waiting", 1, 500)
    assert shown["attempts"][0]["problem"] == "The receiver answers 500."
    assert admin("post", f"{address}/{row.pk}/replay", {}).status_code == 409
    settle(row, Outcome(NOW, 0.2, Answer(204, "", None)), 0.5)
    assert admin("post", f"{address}/{row.pk}/replay", {}).status_code == 202
    whole = reader("get", f"{address}/{row.pk}").json()
    assert (whole["state"], whole["replayed_by"]) == ("waiting", "API token Admin")
    assert whole["body"].startswith('{"events":[{"id":"')
    assert reader("get", f"{address}?state=failed").json()["deliveries"] == []


def test_a_period_is_replayed(admin: Call, webhook: dict[str, Any]) -> None:
    row, address = told_of(), f"{URL}/{webhook['id']}/replay"
    WebhookDelivery.objects.filter(pk=row.pk).update(state="failed")
    early = {"since": "2026-11-22T20:00:00Z", "until": "2026-11-22T20:30:00Z"}
    assert admin("post", address, early).json() == {"requests": 0}
    assert admin("post", address, {"since": "2026-11-22T21:00:00Z"}).json() == {"requests": 1}
    backwards = admin("post", address, {"since": early["until"], "until": early["since"]})
    assert (backwards.status_code, backwards.json()["errors"][0]["field"]) == (422, "until")


def test_a_test_is_queued_although_the_webhook_is_paused(admin: Call, webhook: dict[str, Any]) -> None:
    admin("post", f"{URL}/{webhook['id']}/pause", {})
    answer = admin("post", f"{URL}/{webhook['id']}/test", {})
    row = WebhookDelivery.objects.get(pk=answer.json()["id"])
    assert (answer.status_code, row.is_test, row.kinds) == (202, True, ["webhook.test"])


def test_every_change_is_in_the_audit_trail_without_a_secret(admin: Call, webhook: dict[str, Any]) -> None:
    address = f"{URL}/{webhook['id']}"
    secret = admin("post", f"{address}/secret", {}).json()["secret"]
    admin("patch", address, {"url": "https://app.example.com/events?key=other"})
    for step in ("pause", "resume", "test"):
        admin("post", f"{address}/{step}", {})
    admin("delete", address)
    entries = AuditEntry.objects.filter(action__startswith="webhook.").order_by("pk")
    assert [entry.action.removeprefix("webhook.") for entry in entries] == [
        "add", "new-secret", "change", "pause", "resume", "test", "remove",
    ]
    text = str([entry.changes for entry in entries])
    assert secret not in text
    assert "key=" not in text


def test_triggers_that_went_are_there_again_after_an_upgrade(webhook: dict[str, Any]) -> None:
    assert webhook["id"]
    remove_all()
    left()
    assert Event.objects.count() == 0
    arrange()
    left("bob@example.org")
    assert Event.objects.count() == 1


def test_an_event_that_can_be_chosen_is_in_the_documentation(admin: Call) -> None:
    description = str(admin("get", "/api/v1/openapi.json").json()["components"]["schemas"]["WebhookIn"])
    assert all(kind in description for kind in SUBSCRIBABLE)
    assert settings.WEBHOOK_NETWORKS.networks == ()


def test_tags_and_purposes_are_kept_changed_and_checked(admin: Call, webhook: dict[str, Any]) -> None:
    assert (webhook["tags"], webhook["purposes"]) == ([], [])
    path = f"{URL}/{webhook['id']}"
    changed = admin("patch", path, {"tags": ["invoice", "invoice"], "purposes": ["report", "notification"]}).json()
    assert (changed["tags"], changed["purposes"]) == (["invoice"], ["notification", "report"])
    assert AuditEntry.objects.latest("pk").changes["tags"] == [[], ["invoice"]]
    assert admin("patch", path, {"name": "Other"}).json()["tags"] == ["invoice"]
    for wrong in ({"tags": ["a"] * 21}, {"tags": [""]}, {"tags": ["a\nb"]}, {"purposes": ["nothing"]}):
        answer = admin("patch", path, wrong)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].startswith(next(iter(wrong)))
