"""What webhooks were told is kept for a while, told again in bounds, and forgotten."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection
from structlog.testing import capture_logs

from postroom.flow.instance.retention import change_retention
from postroom.flow.webhooks import webhook_attempt, webhook_history, webhook_send
from postroom.flow.webhooks.webhook_attempt import Outcome, next_delivery, settle, stop_overfull, webhooks_with_work
from postroom.flow.webhooks.webhook_events import body_of
from postroom.flow.webhooks.webhook_history import forget_old, replay_since
from postroom.flow.webhooks.webhook_send import distribute, send_event, send_test
from postroom.flow.webhooks.webhooks import add_webhook, pause_webhook
from postroom.net.webhook_post import Answer
from postroom.store.models import Event, Webhook, WebhookDelivery
from postroom.terms.event import EventKind

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
REFUSED, TAKEN = Answer(500, "", None), Answer(204, "", None)


@pytest.fixture
def webhook() -> Webhook:
    return add_webhook({"name": "App", "url": "https://app.example.com/", "events": ["alert.opened"]}, "test")[0]


def told(webhook: Webhook, at: datetime = NOW, state: str = "succeeded") -> WebhookDelivery:
    row = send_event(webhook, EventKind.ALERT_OPENED, {"alert": {"id": "1"}}, at)
    WebhookDelivery.objects.filter(pk=row.pk).update(state=state)
    return WebhookDelivery.objects.select_related("webhook").get(pk=row.pk)


def test_what_is_older_than_the_logs_goes_and_what_waits_stays(webhook: Webhook) -> None:
    old = NOW - timedelta(days=91)
    told(webhook, old), told(webhook, old, "failed")
    waiting, young = told(webhook, old, "waiting"), told(webhook)
    assert sum(forget_old(NOW)) == 2
    assert set(WebhookDelivery.objects.values_list("pk", flat=True)) == {waiting.pk, young.pk}
    change_retention({"log_days": "0", "content_days": "0", "message_days": "0", "sandbox_days": "0"}, "test")
    assert sum(forget_old(NOW + timedelta(days=1_000))) == 0


def test_a_long_history_is_cut_to_what_is_kept(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_history, "KEPT", 3)
    rows = [told(webhook).pk for _ in range(5)]
    assert sum(forget_old(NOW)) == 2
    assert sorted(WebhookDelivery.objects.values_list("pk", flat=True)) == rows[2:]


def test_a_replay_takes_the_oldest_so_many(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_history, "REPLAYED_AT_ONCE", 2)
    rows = [told(webhook, state="failed").pk for _ in range(3)]
    assert replay_since(webhook, NOW, None, "Ann", NOW) == 2
    again = WebhookDelivery.objects.filter(state="waiting", replayed_by="Ann").order_by("pk")
    assert list(again.values_list("pk", flat=True)) == rows[:2]


def test_a_request_is_given_up_when_its_time_is_over(webhook: Webhook) -> None:
    row = told(webhook, state="waiting")
    settle(row, Outcome(NOW + timedelta(days=2, hours=23, minutes=59, seconds=59), 0.1, REFUSED), 0.5)
    row.refresh_from_db()
    assert (row.state, row.ended_at) == ("failed", NOW + timedelta(days=2, hours=23, minutes=59, seconds=59))


def test_only_the_latest_attempts_are_kept_and_all_are_counted(webhook: Webhook) -> None:
    row = told(webhook, state="waiting")
    for second in range(15):
        settle(row, Outcome(NOW + timedelta(seconds=second), 0.1, REFUSED), 0.5)
    row.refresh_from_db()
    assert (row.attempt_count, len(row.attempts)) == (15, webhook_attempt.ATTEMPTS_KEPT)


def test_after_failures_in_a_row_one_request_finds_out_and_the_rest_follows(webhook: Webhook) -> None:
    rows = [told(webhook, state="waiting") for _ in range(4)]
    for row in rows[:3]:
        settle(row, Outcome(NOW, 0.1, REFUSED), 0.5)
    assert webhooks_with_work(NOW) == []
    later = NOW + timedelta(seconds=6)
    assert webhooks_with_work(later) == [webhook.pk]
    found = next_delivery(webhook.pk, later)
    assert found is not None
    settle(found, Outcome(later, 0.1, TAKEN), 0.5)
    assert not WebhookDelivery.objects.filter(state="waiting", due_at__gt=later).exists()
    assert Webhook.objects.get().failures == 0


def test_a_test_goes_first_and_to_a_paused_webhook_too(webhook: Webhook) -> None:
    told(webhook, state="waiting")
    test = send_test(webhook, "Ann", NOW + timedelta(seconds=1))
    pause_webhook(webhook.pk, "Ann", NOW)
    found = next_delivery(webhook.pk, NOW)
    assert (found and found.pk, webhooks_with_work(NOW)) == (test.pk, [webhook.pk])
    settle(test, Outcome(NOW, 0.1, REFUSED), 0.5)
    assert (next_delivery(webhook.pk, NOW), Webhook.objects.get().failures) == (None, 0)


def test_a_webhook_for_which_too_much_waits_is_paused(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_attempt, "MOST_WAITING", 2)
    for _ in range(2):
        told(webhook, state="waiting")
    stop_overfull(NOW)
    assert Webhook.objects.get().paused_for == ""
    told(webhook, state="waiting")
    stop_overfull(NOW)
    assert Webhook.objects.get().paused_for == "backlog"


@pytest.mark.usefixtures("webhook")
def test_a_large_body_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_send, "BODY_CHARACTERS", 1_000)
    facts = {"alert": "1", "kind": "queue-old", "about": "x" * 600, "severity": "warning", "server": "", "link": ""}
    Event.objects.bulk_create(Event(kind="alert.opened", at=NOW, subject="1", facts=facts) for _ in range(3))
    assert distribute(NOW) == 3
    assert list(WebhookDelivery.objects.values_list("event_count", flat=True)) == [1, 1, 1]
    assert Event.objects.count() == 0


@pytest.mark.usefixtures("webhook")
def test_d9_an_event_that_cannot_be_read_stops_no_other() -> None:
    facts = {"alert": "1", "kind": "queue-old", "about": "", "severity": "warning", "server": "", "link": ""}
    good = ("alert.opened", facts)
    for kind, more in (good, ("alert.opened", {"alert": "2"}), ("of.later", {}), good):
        Event.objects.create(kind=kind, at=NOW, subject="1", facts=more)
    assert distribute(NOW) == 4
    assert WebhookDelivery.objects.get().event_count == 2
    assert Event.objects.count() == 0


@pytest.mark.usefixtures("webhook")
def test_d9_half_a_character_that_an_older_version_took_reaches_the_webhook_as_a_mark() -> None:
    facts = {"alert": "1", "kind": "queue-old", "about": "half \ud800", "severity": "warning", "server": "", "link": ""}
    if connection.vendor == "sqlite":
        Event.objects.create(kind="alert.opened", at=NOW, subject="1", facts=facts)
        assert distribute(NOW) == 1
        assert '"about":"half ?"' in WebhookDelivery.objects.get().body
    assert json.loads(body_of([facts])) == {"events": [{**facts, "about": "half ?"}]}


@pytest.mark.usefixtures("webhook")
@pytest.mark.parametrize("fault", [DataError("too long"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates")])
def test_d9_an_event_that_cannot_be_stored_as_a_request_is_set_aside_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def body(events: Sequence[Any]) -> str:
        if any(event["data"]["alert"]["about"] == "bad" for event in events):
            raise fault
        return body_of(events)

    monkeypatch.setattr(webhook_send, "body_of", body)
    for about in ("one", "bad", "two"):
        facts = {"alert": "1", "kind": "queue-old", "about": about, "severity": "warning", "server": "", "link": ""}
        Event.objects.create(kind="alert.opened", at=NOW, subject="1", facts=facts)
    with capture_logs() as logs:
        assert distribute(NOW) == 3
    told_of = [json.loads(row.body)["events"][0]["data"]["alert"]["about"] for row in WebhookDelivery.objects.all()]
    assert sorted(told_of) == ["one", "two"]
    assert Event.objects.count() == 0
    assert [entry["log_level"] for entry in logs] == ["error"]


@pytest.mark.usefixtures("webhook")
def test_while_the_database_does_not_answer_no_event_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    def body(_: Sequence[Any]) -> str:
        raise OperationalError("database is locked")

    monkeypatch.setattr(webhook_send, "body_of", body)
    facts = {"alert": "1", "kind": "queue-old", "about": "", "severity": "warning", "server": "", "link": ""}
    Event.objects.create(kind="alert.opened", at=NOW, subject="1", facts=facts)
    with pytest.raises(OperationalError):
        distribute(NOW)
    assert Event.objects.count() == 1
