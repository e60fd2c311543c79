"""Announcements through the API."""

from typing import Any

import pytest
from django.utils import timezone

from postroom.flow.notices import announcements
from postroom.flow.notices.announcements import reached
from postroom.flow.recipients.recipient_groups import add_group
from postroom.flow.recipients.recipients import Addressed
from postroom.store.models import Announcement, AuditEntry, Recipient
from postroom.terms.wording import worded

from .conftest import Call

PATH = "/api/v1/announcements"
NEWS = {"subject": "Maintenance", "text": "On Saturday.", "addresses": ["ann@example.org"]}


def test_an_announcement_is_handed_over_followed_and_stopped(admin: Call, reader: Call) -> None:
    add_group({"name": "Board"}, "test", ["ben@example.org"])
    answer = admin("post", PATH, {**NEWS, "groups": ["Board"], "translations": {"fr": {"subject": "A", "text": "B"}}})
    made = answer.json()
    assert (answer.status_code, made["state"], made["subject"]) == (202, "waiting", "Maintenance")
    assert reader("get", PATH).json()["announcements"] == [made]
    assert reader("get", f"{PATH}/{made['id']}").json() == {**made, "deliveries": {}}
    assert admin("post", f"{PATH}/{made['id']}/stop").json()["state"] == "stopped"
    assert admin("post", f"{PATH}/{made['id']}/stop").status_code == 409
    entry = AuditEntry.objects.get(action="announcement.send")
    assert (entry.actor, entry.changes["recipients"]) == ("API token Admin", 2)


def test_u4_the_same_key_announces_once_and_another_text_under_it_is_refused(admin: Call) -> None:
    key = {"Idempotency-Key": "news-1"}
    first = admin("post", PATH, NEWS, **key)
    again = admin("post", PATH, NEWS, **key)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    assert admin("post", PATH, {**NEWS, "text": "On Sunday."}, **key).status_code == 409
    assert Announcement.objects.count() == 1


@pytest.mark.parametrize(("text", "status"), [("On Saturday.", 200), ("On Sunday.", 409)])
def test_u4_two_that_come_at_the_same_time_under_one_key_are_one(
    admin: Call, monkeypatch: pytest.MonkeyPatch, text: str, status: int
) -> None:
    def overtaken(announcement: Announcement) -> list[Addressed]:
        people = reached(announcement)
        if not Announcement.objects.exists():
            Announcement(announcement.pk, texts={"en": {"subject": "Maintenance", "text": "On Saturday."}},
                         audience=announcement.audience, created_at=timezone.now()).save(force_insert=True)
        return people

    monkeypatch.setattr(announcements, "reached", overtaken)
    answer = admin("post", PATH, {**NEWS, "text": text}, **{"Idempotency-Key": "news-1"})
    assert answer.status_code == status
    assert Announcement.objects.count() == 1
    assert not AuditEntry.objects.filter(action="announcement.send").exists()


def test_a_preview_shows_what_a_recipient_would_get_and_stores_nothing(reader: Call) -> None:
    seen: Any = reader("post", f"{PATH}/preview", {**NEWS, "text": "<b>On</b> Saturday."}).json()
    assert (seen["subject"], seen["people"]) == ("Maintenance", 1)
    assert "&lt;b&gt;On&lt;/b&gt; Saturday." in seen["html"]
    assert "<b>On</b> Saturday." in seen["text"]
    assert not Announcement.objects.exists()


def test_a_preview_fills_in_the_values_of_the_recipient_that_is_asked_for(reader: Call) -> None:
    for name, region in (("Ann", "North"), ("Ben", None)):
        address = f"{name.lower()}@example.org"
        values = {"region": region} if region else {}
        Recipient.objects.create(address=address, address_key=address, name=name, values=values)
    news = {"subject": "{{ recipient.region }}", "text": "Hello {{ recipient.name }}.", "recipients": True}
    first = reader("post", f"{PATH}/preview", news).json()
    assert (first["recipient"], first["subject"], first["missing"]) == ("ann@example.org", "North", [])
    ben = reader("post", f"{PATH}/preview", {**news, "recipient": "Ben@example.org"}).json()
    assert "Hello Ben." in ben["text"]
    assert ben["missing"] == ["recipient.region"]
    other = reader("post", f"{PATH}/preview", {**news, "recipient": "carl@example.org"})
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "recipient")
    wrong = reader("post", f"{PATH}/preview", {**news, "text": "{{ recipient.name | uper }}"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "text")


def test_who_gets_it_and_who_does_not_is_listed_with_reasons(admin: Call, reader: Call) -> None:
    made = admin("post", PATH, NEWS).json()
    row = Announcement.objects.get(pk=made["id"])
    failure = worded("Enter an address such as name@example.com.").as_json()
    for number, more in enumerate((
        {"message_id": "M1"}, {"left_out": "suppressed"}, {"left_out": "failed", "failure": failure}, {},
    )):
        row.recipients.create(position=number, address=f"p{number}@example.org", **more)
    path = f"{PATH}/{made['id']}/recipients"
    listed = reader("get", path).json()
    assert [one["state"] for one in listed["recipients"]] == ["queued", "left-out", "failed", "waiting"]
    assert [one["reason"] for one in listed["recipients"]][2:] == ["Enter an address such as name@example.com.", ""]
    for state in ("queued", "left-out", "failed", "waiting"):
        (one,) = reader("get", f"{path}?state={state}").json()["recipients"]
        assert one["state"] == state
    some = reader("get", f"{path}?limit=3").json()
    assert some["next_after"] == 2
    rest = reader("get", f"{path}?after=2").json()
    assert (len(rest["recipients"]), rest["next_after"]) == (1, None)


def test_fields_at_fault_are_named(admin: Call) -> None:
    answer = admin("post", PATH, {"subject": "", "text": "", "groups": ["None"], "addresses": ["nobody"]})
    assert {error["field"] for error in answer.json()["errors"]} == {"subject", "text", "groups", "addresses"}
    assert admin("post", PATH, {"subject": "A", "text": "B"}).json()["errors"][0]["field"] == "users"
    assert admin("post", PATH, {"subject": "A", "text": "B", "recipients": True}).status_code == 409
