"""`postroom webhook`: kept, shown and told again on the command line."""

import argparse
import json
from datetime import UTC, datetime

import pytest

from postroom.cli import webhook
from postroom.flow.webhooks.webhook_attempt import Outcome, settle
from postroom.flow.webhooks.webhook_send import distribute
from postroom.flow.webhooks.webhooks import signing_secrets
from postroom.net.webhook_post import Answer
from postroom.store.models import AuditEntry, Suppression, Webhook, WebhookDelivery

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands on this test process's database, and waits for nobody."""
    monkeypatch.setattr(webhook, "open_instance", lambda _: True)
    monkeypatch.setattr(webhook, "TEST_WITHIN_S", 0.0)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    webhook.add_arguments(parser)
    return webhook.run(parser.parse_args(words))


def added(*words: str) -> Webhook:
    assert run("add", "App", "https://app.example.com/events?key=1", *words) == 0
    return Webhook.objects.get()


def told(status: int) -> WebhookDelivery:
    Suppression.objects.create(address="ann@example.org", reason="unsubscribe", since=NOW)
    distribute(NOW)
    settle(WebhookDelivery.objects.get(), Outcome(NOW, 0.1, Answer(status, "", None)), 0.5)
    return WebhookDelivery.objects.get()


def test_adding_prints_the_secret_alone(capsys: pytest.CaptureFixture[str]) -> None:
    row = added("--event", "message.failed", "--event", "message.sent")
    assert capsys.readouterr().out == signing_secrets(row, NOW)[0] + "\n"
    assert row.events == ["message.sent", "message.failed"]
    assert AuditEntry.objects.get(action="webhook.add").actor == "command line"


def test_what_is_no_address_or_event_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "App", "http://10.0.0.1/", "--event", "message.opened") == 2
    assert "POSTROOM_WEBHOOK_NETWORKS" in capsys.readouterr().err
    assert run("pause", "App") == 1
    assert "postroom webhook list" in capsys.readouterr().err


def test_the_list_says_how_each_fares(capsys: pytest.CaptureFixture[str]) -> None:
    row = added()
    assert run("pause", "App") == 0
    capsys.readouterr()
    assert run("list") == 0
    assert capsys.readouterr().out == f"{row.pk}  paused: manual    App  https://app.example.com/events?…  all events\n"
    assert run("resume", row.pk) == 0
    capsys.readouterr()
    assert run("list", "--json") == 0
    shown = json.loads(capsys.readouterr().out)["webhooks"][0]
    assert (shown["name"], shown["paused_for"], shown["failures"]) == ("App", None, 0)


def test_deliveries_are_listed_and_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    added()
    row = told(503)
    capsys.readouterr()
    assert run("deliveries", "App", "--state", "waiting") == 0
    line = capsys.readouterr().out
    assert line.startswith(row.pk)
    assert "The receiver answers 503." in line
    WebhookDelivery.objects.update(state="failed")
    assert run("replay", "App", "--since", "2026-11-22T20:00:00Z") == 0
    assert capsys.readouterr().out == "1 requests are sent again\n"
    assert WebhookDelivery.objects.get().state == "waiting"
    assert run("deliveries", "App", "--json") == 0
    assert json.loads(capsys.readouterr().out)["deliveries"][0]["events"] == ["recipient.unsubscribed"]


def test_a_test_that_nobody_sends_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    added()
    assert run("test", "App") == 1
    assert "postroom run" in capsys.readouterr().err


def test_a_new_secret_can_end_the_former_one_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    added()
    capsys.readouterr()
    assert run("secret", "App", "--end-former") == 0
    assert signing_secrets(Webhook.objects.get(), NOW) == [capsys.readouterr().out.strip()]
    assert run("remove", "App") == 0
    assert not Webhook.objects.exists()


def test_tags_and_purposes_are_set_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    row = added("--tag", "invoice", "--tag", "bill", "--purpose", "report")
    assert (row.tags, row.purposes) == (["invoice", "bill"], ["report"])
    capsys.readouterr()
    assert run("list") == 0
    assert "all events, only tag invoice, tag bill, purpose report" in capsys.readouterr().out
    assert run("add", "Other", "https://app.example.com/", "--purpose", "nothing") == 2
    assert "Choose among" in capsys.readouterr().err
