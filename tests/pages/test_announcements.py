"""Announcements in pages: written, seen, tried, sent once, followed, stopped."""

import re
from typing import Any

import pytest
from django.test import Client

from postroom.flow.recipient_groups import add_group
from postroom.store.models import Announcement, Message, RecipientGroup, SmtpServer, User

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
