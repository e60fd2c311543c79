"""Announcements in pages: written, seen, tried, sent once, followed, stopped."""

import re
from typing import Any

import pytest
from django.test import Client

from postroom.flow.recipients.recipient_groups import add_group
from postroom.store.models import Announcement, Message, RecipientGroup, SmtpServer, User
from postroom.terms.wording import worded

MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def group() -> RecipientGroup:
    return add_group({"name": "Board"}, "test", ["Ann <ann@example.org>", "ben@example.org"])[0]


def typed(group: RecipientGroup, **more: Any) -> dict[str, Any]:
    return {"subject": "Maintenance", "text": f"On Saturday.\n{MARKUP}", "groups": [group.pk], **more}


def hidden_in(text: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text))


def test_it_is_seen_before_it_is_sent_and_the_same_form_twice_is_one_announcement(
    page: Client, group: RecipientGroup
) -> None:
    text = page.post("/announcements/new", typed(group)).content.decode()
    assert "Send to 2 people" in text
    assert MARKUP not in text
    assert not Announcement.objects.exists()
    frame = re.search(r'src="(/announcements/frame/[^"]+)"', text)
    assert frame
    shown = page.get(frame[1].replace("&amp;", "&"))
    assert "&lt;script&gt;" in shown.content.decode()
    assert "sandbox" in shown["Content-Security-Policy"]
    values = typed(group, do="send", key=hidden_in(text)["key"])
    first, again = page.post("/announcements/new", values), page.post("/announcements/new", values)
    row = Announcement.objects.get()
    assert first["Location"] == again["Location"] == f"/announcements/{row.pk}"
    assert (row.created_by, row.sender_name) == ("marta@norrvik.example", "Marta Keller")


@pytest.mark.django_db(transaction=True)
def test_a_test_goes_to_the_person_who_writes_and_nothing_typed_is_lost(
    page: Client, group: RecipientGroup, relay: SmtpServer
) -> None:
    SmtpServer.objects.filter(pk=relay.pk).update(use_unverified=True)
    text = page.post("/announcements/new", typed(group, do="test", stays="on")).content.decode()
    assert Message.objects.get().deliveries.get().recipient == "marta@norrvik.example"
    assert not Announcement.objects.exists()
    kept = hidden_in(text)
    assert (kept["stays"], kept["groups"], kept["subject"]) == ("on", group.pk, "Maintenance")
    form = page.post("/announcements/new", {**kept, "do": "edit"}).content.decode()
    assert 'value="Maintenance"' in form
    assert "checked" in form


def test_faults_stand_at_their_fields_and_what_was_typed_stays(page: Client, group: RecipientGroup) -> None:
    answer = page.post("/announcements/new", typed(group, subject="", addresses="nobody", other_subject="Entretien"))
    text = answer.content.decode()
    assert answer.status_code == 422
    for field in ("subject", "addresses", "other_text"):
        assert f'id="e-{field}"' in text
        assert f'href="#f-{field}"' in text
    assert "&lt;script&gt;" in text
    assert 'value="Entretien"' in text
    nobody = page.post("/announcements/new", {"subject": "A", "text": "B", "recipients": "", "do": "send"})
    assert 'id="e-users"' in nobody.content.decode()


def test_its_page_tells_how_far_it_is_and_who_gets_none(page: Client, group: RecipientGroup, viewer: User) -> None:
    page.post("/announcements/new", typed(group, do="send"))
    row = Announcement.objects.get()
    row.state, row.planned, row.queued, row.left_out = "sending", 1_200, 300, 1
    row.problem = {"detail": "The disk is full."}
    row.save()
    row.recipients.create(position=0, address=MARKUP, left_out="suppressed")
    row.recipients.create(position=1, address="a@other.example", left_out="domain-not-allowed")
    client = Client()
    client.force_login(viewer)
    text = client.get(f"/announcements/{row.pk}").content.decode()
    assert "301 of 1,200 handed over" in text
    assert "Gets no more mail of this kind" in text
    assert "Mail to other.example is not allowed here." in text
    assert MARKUP not in text
    assert "/stop" not in text
    part = page.get(f"/announcements/{row.pk}", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert 'hx-trigger="every 2s"' in part
    page.post(f"/announcements/{row.pk}/stop")
    ended = page.get(f"/announcements/{row.pk}", headers={"HX-Request": "true"}).content.decode()
    assert "Stopped" in ended
    assert "hx-trigger" not in ended
    assert "Maintenance" in client.get("/announcements").content.decode()


def test_the_preview_shows_the_message_of_a_real_recipient_and_names_values_that_it_lacks(page: Client) -> None:
    add_group({"name": "Board"}, "test", ["Ann <ann@example.org>", "Ben <ben@example.org>"])
    board = RecipientGroup.objects.get(name="Board")
    values = typed(board, subject="{{ recipient.name }}", text="{{ recipient.region }}")
    first = page.post("/announcements/new", values).content.decode()
    assert "as ann@example.org gets it" in first
    assert '<dd class="pr-b pr-any">Ann</dd>' in first
    assert "recipient.region" in first
    ben = page.post("/announcements/new", {**values, "as": "ben@example.org"}).content.decode()
    assert '<dd class="pr-b pr-any">Ben</dd>' in ben
    other = page.post("/announcements/new", {**values, "as": "carl@example.org"}).content.decode()
    assert 'id="e-as"' in other
    assert "as ann@example.org gets it" in other


def test_a_text_that_cannot_be_filled_in_is_told_beside_its_field(page: Client, group: RecipientGroup) -> None:
    answer = page.post("/announcements/new", typed(group, text="{{ recipient.name | uper }}"))
    assert answer.status_code == 422
    assert 'id="e-text"' in answer.content.decode()


def test_progress_tells_of_messages_that_failed_and_that_could_not_be_written(
    page: Client, group: RecipientGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.post("/announcements/new", typed(group, do="send"))
    row = Announcement.objects.get()
    row.state, row.planned, row.failed = "sending", 2, 1
    row.save()
    monkeypatch.setattr("postroom.pages.queries.announcements.standing", lambda _: {"failed": 1})
    row.recipients.create(position=0, address="ann@example.org", message_id="M1")
    row.recipients.create(position=1, address="ben@example.org", left_out="failed", failure=worded(
        "Postroom failed to write this message. Its log has the details.").as_json())
    text = page.get(f"/announcements/{row.pk}").content.decode()
    assert "<dt>Failed</dt><dd>1</dd>" in text
    assert "<dt>Could not be written</dt><dd>1</dd>" in text
    assert "Postroom failed to write this message." in text
