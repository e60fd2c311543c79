"""The pages of webhooks: added, changed, tested, paused, told again; what is secret is shown once or never."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from postroom.flow.webhooks.webhook_attempt import Outcome, settle
from postroom.flow.webhooks.webhook_send import distribute
from postroom.flow.webhooks.webhooks import present, signing_secrets
from postroom.net.webhook_post import Answer
from postroom.store.models import AuditEntry, Suppression, User, Webhook, WebhookDelivery

NOW = datetime.now(UTC)
GOOD = {"name": "App", "url": "https://app.example.com/events?key=s3cret", "which": "some",
        "events": ["recipient.unsubscribed", "message.sent"]}
MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def webhook(page: Client) -> Webhook:
    page.post("/webhooks/new", GOOD)
    return Webhook.objects.get()


@pytest.fixture
def told(webhook: Webhook) -> WebhookDelivery:
    Suppression.objects.create(address="ann@example.org", reason="unsubscribe", list_name=MARKUP, since=NOW)
    distribute(NOW)
    return WebhookDelivery.objects.get(webhook=webhook)


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_webhook_is_added_and_its_secret_is_shown_once(page: Client) -> None:
    address = page.post("/webhooks/new", GOOD)["Location"]
    row = Webhook.objects.get()
    secret = signing_secrets(row, NOW)[0]
    assert row.events == ["message.sent", "recipient.unsubscribed"]
    assert f">{secret}<" in text_of(page, address)
    assert secret not in text_of(page, address)
    assert "s3cret" not in text_of(page, address) + text_of(page, "/webhooks")


def test_every_event_is_the_usual_choice(page: Client) -> None:
    assert 'value="every" checked' in text_of(page, "/webhooks/new")
    page.post("/webhooks/new", {**GOOD, "which": "every"})
    assert Webhook.objects.get().events == []


@pytest.mark.parametrize(("values", "field"), [
    ({"name": ""}, "name"), ({"url": "http://10.1.2.3/"}, "url"), ({"url": "app"}, "url"),
    ({"events": []}, "events"), ({"events": ["message.opened"]}, "events"),
])
def test_what_cannot_be_saved_is_kept_with_the_remedy(page: Client, values: dict[str, str], field: str) -> None:
    answer = page.post("/webhooks/new", {**GOOD, **values})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert f'id="e-{field}"' in text
    assert f'href="#f-{field}"' in text
    assert 'value="message.sent" checked' in text or field == "events"
    assert not Webhook.objects.exists()


def test_a_change_keeps_the_secret(page: Client, webhook: Webhook) -> None:
    secret = signing_secrets(webhook, NOW)
    assert 'value="https://app.example.com/events?key=s3cret"' in text_of(page, f"/webhooks/{webhook.pk}/edit")
    page.post(f"/webhooks/{webhook.pk}/edit", {**GOOD, "name": "Other", "which": "every"})
    changed = Webhook.objects.get()
    assert (changed.name, changed.events, signing_secrets(changed, NOW)) == ("Other", [], secret)


def test_it_is_paused_resumed_and_removed(page: Client, webhook: Webhook) -> None:
    address = f"/webhooks/{webhook.pk}"
    page.post(f"{address}/pause")
    assert "Paused by hand." in text_of(page, address)
    page.post(f"{address}/resume")
    assert "Paused by hand." not in text_of(page, address)
    page.post(f"{address}/remove")
    assert not Webhook.objects.exists()
    assert AuditEntry.objects.filter(actor="marta@norrvik.example", action="webhook.remove").exists()


def test_a_test_leads_to_its_request_which_is_polled_until_it_is_over(page: Client, webhook: Webhook) -> None:
    address = page.post(f"/webhooks/{webhook.pk}/test")["Location"]
    assert f'hx-get="{address}"' in text_of(page, address)
    settle(WebhookDelivery.objects.get(), Outcome(NOW, 0.2, Answer(500, "down", None)), 0.5)
    part = page.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "The receiver answers 500." in part
    assert "down" in part
    assert "hx-get" not in part


def test_the_history_tells_of_what_and_how_it_went(page: Client, told: WebhookDelivery) -> None:
    address = f"/webhooks/{told.webhook_id}"
    settle(told, Outcome(NOW, 0.2, Answer(204, "", None)), 0.5)
    text = text_of(page, address)
    assert "recipient.unsubscribed" in text
    assert "Taken with 204." in text
    assert "No request in this state" in text_of(page, f"{address}?state=failed")
    part = page.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part


def test_a_failing_webhook_says_why_in_the_reader_s_language(page: Client, told: WebhookDelivery) -> None:
    settle(told, Outcome(NOW, 0.2, Answer(500, "", None)), 0.5)
    assert "Failing since" in text_of(page, "/webhooks")
    assert "The receiver answers 500." in text_of(page, f"/webhooks/{told.webhook_id}")
    User.objects.update(language="fr")
    assert "Le destinataire répond 500." in text_of(page, "/webhooks")


def test_a_request_is_sent_again(page: Client, told: WebhookDelivery) -> None:
    settle(told, Outcome(NOW, 0.2, Answer(204, "", None)), 0.5)
    page.post(f"/webhooks/{told.webhook_id}/deliveries/{told.pk}/replay")
    assert WebhookDelivery.objects.get().state == "waiting"
    settle(told, Outcome(NOW, 0.2, Answer(204, "", None)), 0.5)
    answer = page.post(f"/webhooks/{told.webhook_id}/replay", {"period": "hour", "which": "all"}, follow=True)
    assert "1 request is sent again." in answer.content.decode()


def test_what_an_event_or_a_receiver_says_stays_text(page: Client, told: WebhookDelivery) -> None:
    settle(told, Outcome(NOW, 0.2, Answer(500, MARKUP, None)), 0.5)
    for path in (f"/webhooks/{told.webhook_id}", f"/webhooks/{told.webhook_id}/deliveries/{told.pk}"):
        assert MARKUP not in text_of(page, path)


def test_a_new_secret_is_shown_once_and_the_former_one_may_end_at_once(page: Client, webhook: Webhook) -> None:
    former = signing_secrets(webhook, NOW)
    address = page.post(f"/webhooks/{webhook.pk}/secret", {"former": "keep"})["Location"]
    assert signing_secrets(Webhook.objects.get(), NOW)[1:] == former
    assert signing_secrets(Webhook.objects.get(), NOW)[0] in text_of(page, address)
    page.post(f"/webhooks/{webhook.pk}/secret", {"former": "end"})
    assert len(signing_secrets(Webhook.objects.get(), NOW)) == 1


def test_who_may_not_change_a_webhook_reads_it_without_buttons(viewer: User, told: WebhookDelivery) -> None:
    client = Client()
    client.force_login(viewer)
    for path in ("/webhooks", f"/webhooks/{told.webhook_id}", f"/webhooks/{told.webhook_id}/deliveries/{told.pk}"):
        text = text_of(client, path)
        assert 'method="post" action="/webhooks' not in text
        assert "s3cret" not in text


def test_a_webhook_that_somebody_else_removed_meanwhile_is_told_of(
    page: Client, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> Webhook:
        webhook.delete()
        return present(webhook.pk or "X")

    monkeypatch.setattr("postroom.pages.views.webhook.pause_webhook", gone)
    answer = page.post(f"/webhooks/{webhook.pk}/pause", follow=True)
    assert "This webhook was removed meanwhile." in answer.content.decode()


def test_the_empty_page_says_what_a_webhook_is_for(page: Client) -> None:
    assert "No webhook yet" in text_of(page, "/webhooks")


def test_tags_and_purposes_are_folded_away_until_they_are_set(page: Client) -> None:
    folded = text_of(page, "/webhooks/new")
    assert "all of them, whatever their tags and purpose" in folded
    values = {**GOOD, "tags": f"invoice\n\n{MARKUP}, a", "purposes": ["report"]}
    address = page.post("/webhooks/new", values)["Location"]
    row = Webhook.objects.get()
    assert (row.tags, row.purposes) == (["invoice", f"{MARKUP}, a"], ["report"])
    shown = text_of(page, address)
    assert "Purpose: report delivery" in " ".join(shown.split())
    assert MARKUP not in shown
    form = text_of(page, f"{address}/edit")
    assert 'value="report" checked' in form
    page.post(f"{address}/edit", {**GOOD, "tags": "a" * 101})
    assert Webhook.objects.get().tags == ["invoice", f"{MARKUP}, a"]


def test_a_tag_that_cannot_be_is_told_beside_its_field(page: Client) -> None:
    answer = page.post("/webhooks/new", {**GOOD, "tags": "a" * 101})
    assert answer.status_code == 422
    assert 'id="e-tags"' in answer.content.decode()
