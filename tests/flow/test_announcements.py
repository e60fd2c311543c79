"""Announcements: to whom, in which words, each recipient once however often the work is interrupted."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from postroom.flow import announcement_mail
from postroom.flow.accept import Accepted, Acceptor
from postroom.flow.announcement_mail import LIST, queue_announcement, send_test
from postroom.flow.announcements import announce, draft_announcement, reached, stop
from postroom.flow.configure import save_untested
from postroom.flow.recipient_domains import allow_only
from postroom.flow.recipient_groups import add_group
from postroom.flow.recipients import Addressed
from postroom.flow.refusals import NotPossible, SettingsRefused
from postroom.flow.request import Person
from postroom.flow.suppression import Entry, suppress
from postroom.store.blobs import Blobs
from postroom.store.models import Announcement, Message, Recipient, User
from postroom.store.outbox import open_outbox
from postroom.terms.problem import Problem
from postroom.terms.server import Security, ServerSettings

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEWS = {"subject": "Maintenance", "text": "On Saturday.\n<b>No</b> reports."}


@pytest.fixture
def acceptor(tmp_path: Path) -> Iterator[Acceptor]:
    save_untested(
        ServerSettings(name="Relay", from_name="Reports", from_address="reports@company.example",
                       host="smtp.company.example", port=25, security=Security.NONE),
        password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test",
    )
    outbox = open_outbox()
    yield Acceptor(outbox.queue, Blobs(tmp_path / "blobs"))
    outbox.close()


def announced(**given: Any) -> Announcement:
    announcement = draft_announcement({**NEWS, **given})
    announce(announcement, actor="marta@norrvik.example", sender_id="MARTA", sender_name="Marta", now=NOW)
    return announcement


def finished(acceptor: Acceptor, announcement: Announcement) -> Announcement:
    while async_to_sync(queue_announcement)(acceptor, NOW):
        pass
    announcement.refresh_from_db()
    return announcement


def recipients_of_messages() -> list[str]:
    rows = Message.objects.order_by("pk").prefetch_related("deliveries")
    return [delivery.recipient for row in rows for delivery in row.deliveries.all()]


def test_it_reaches_users_groups_and_addresses_each_once() -> None:
    User.objects.create_user("Ann@example.org", "x" * 12, name="Ann", language="fr")
    User.objects.create_user("gone@example.org", "x" * 12, name="Gone", is_active=False)
    add_group({"name": "Board"}, "test", ["ann@example.org", "Ben <ben@example.org>"])
    Recipient.objects.create(address="dora@example.org", address_key="dora@example.org")
    to_some = draft_announcement({**NEWS, "users": True, "groups": ["Board"], "addresses": ["carl@example.org"]})
    assert [one.address_key for one in reached(to_some)] == ["ann@example.org", "ben@example.org", "carl@example.org"]
    to_all = draft_announcement({**NEWS, "recipients": True})
    assert [one.address_key for one in reached(to_all)] == ["ann@example.org", "ben@example.org", "dora@example.org"]


def test_each_gets_a_message_of_their_own_in_their_language_that_they_can_leave(acceptor: Acceptor) -> None:
    Recipient.objects.create(address="ann@example.org", address_key="ann@example.org", name='Ann "A", B', language="fr")
    french = {"fr": {"subject": "Entretien", "text": "Samedi."}}
    row = finished(acceptor, announced(addresses=["ann@example.org", "ben@example.org"], translations=french))
    assert (row.state, row.planned, row.queued, row.left_out) == ("done", 2, 2, 0)
    assert recipients_of_messages() == ["ann@example.org", "ben@example.org"]
    to_ann, to_ben = Message.objects.order_by("pk")
    assert (to_ann.subject, to_ben.subject) == ("Entretien", "Maintenance")
    assert (to_ben.purpose, to_ben.list_name, to_ben.client_name) == ("communication", LIST, "Marta")
    assert to_ben.metadata == {"announcement": row.pk}
    assert set(row.recipients.values_list("message_id", flat=True)) == {to_ann.pk, to_ben.pk}


def test_who_left_the_list_and_whose_domain_is_not_allowed_is_left_out_and_said(acceptor: Acceptor) -> None:
    suppress([Entry("ann@example.org", "unsubscribe", LIST)], actor="test", now=NOW)
    allow_only(["example.org"], "test")
    people = ["ann@example.org", "ben@example.org", "eve@other.example"]
    row = finished(acceptor, announced(addresses=people))
    assert (row.state, row.planned, row.queued, row.left_out) == ("done", 3, 1, 2)
    assert recipients_of_messages() == ["ben@example.org"]
    said = dict(row.recipients.exclude(left_out="").values_list("address", "left_out"))
    assert said == {"ann@example.org": "suppressed", "eve@other.example": "domain-not-allowed"}
    to_all = finished(acceptor, announced(addresses=["ann@example.org"], can_leave=False))
    assert to_all.queued == 1


def test_d8_whoever_is_interrupted_goes_on_with_nobody_left_out_and_nobody_twice(
    acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill after each message of a group, before anything of it is noted."""
    monkeypatch.setattr(announcement_mail, "GROUP", 4)
    row = announced(addresses=[f"p{n:02}@example.org" for n in range(10)])
    real, left = Acceptor._one_enqueued, 0

    async def dying(self: Acceptor, *words: Any) -> Accepted:
        nonlocal left
        left -= 1
        if left < 0:
            raise asyncio.CancelledError
        return await real(self, *words)

    monkeypatch.setattr(Acceptor, "_one_enqueued", dying)
    for lives in range(1, 4):
        left = lives
        with pytest.raises(asyncio.CancelledError):
            finished(acceptor, row)
    assert 0 < Message.objects.count() < 10
    monkeypatch.setattr(Acceptor, "_one_enqueued", real)
    row = finished(acceptor, row)
    assert (row.state, row.queued) == ("done", 10)
    assert sorted(recipients_of_messages()) == [f"p{n:02}@example.org" for n in range(10)]


def test_a_template_that_changes_in_between_makes_no_second_message(
    acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = announced(addresses=["ann@example.org"])
    real = announcement_mail._note
    monkeypatch.setattr(announcement_mail, "_note", lambda *_: None)
    async_to_sync(queue_announcement)(acceptor, NOW)
    monkeypatch.setattr(announcement_mail, "_note", real)
    Announcement.objects.filter(pk=row.pk).update(texts={"en": {"subject": "Other", "text": "Other"}})
    assert finished(acceptor, row).queued == 1
    assert Message.objects.count() == 1


def test_what_cannot_be_queued_now_is_said_and_goes_on_later(
    acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, real = announced(addresses=["ann@example.org"]), Acceptor.accept_batch

    async def full(*_: Any) -> Accepted:
        raise Problem(507, "storage-full", "The disk is full", "Nothing was stored.")

    monkeypatch.setattr(Acceptor, "accept_batch", full)
    assert not async_to_sync(queue_announcement)(acceptor, NOW)
    row.refresh_from_db()
    assert (row.state, "The disk is full" in str(row.problem)) == ("sending", True)
    monkeypatch.setattr(Acceptor, "accept_batch", real)
    row = finished(acceptor, row)
    assert (row.state, row.queued, row.problem) == ("done", 1, None)


def test_one_that_is_refused_stops_no_other_of_its_group(acceptor: Acceptor) -> None:
    row = announced(addresses=[f"p{n}@example.org" for n in range(3)])
    real = announcement_mail.body_for
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(announcement_mail, "body_for", lambda writer, to: {
            **real(writer, to), **({"to": "nobody"} if to.address.startswith("p1") else {}),
        })
        row = finished(acceptor, row)
    assert (row.queued, row.left_out) == (2, 1)
    assert "no @" in row.recipients.exclude(left_out="").get().left_out


def test_a_stopped_one_queues_no_more_and_stops_once(acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcement_mail, "GROUP", 2)
    row = announced(addresses=[f"p{n}@example.org" for n in range(6)])
    async_to_sync(queue_announcement)(acceptor, NOW)
    stop(row.pk, actor="test", now=NOW)
    with pytest.raises(NotPossible):
        stop(row.pk, actor="test", now=NOW)
    row = finished(acceptor, row)
    assert (row.state, row.queued, Message.objects.count()) == ("stopped", 2, 2)


def test_a_test_goes_to_one_person_and_to_no_recipient(acceptor: Acceptor) -> None:
    draft = draft_announcement({**NEWS, "addresses": ["ann@example.org"]})
    async_to_sync(send_test)(acceptor, draft, Addressed("me@example.org", "me@example.org"), Person("ME", "Me"))
    assert recipients_of_messages() == ["me@example.org"]
    assert Message.objects.get().list_name == ""
    assert not Announcement.objects.exists()


@pytest.mark.parametrize(("given", "fields"), [
    ({"subject": "", "users": True}, {"subject"}), ({}, {"users"}), ({"users": True, "text": " "}, {"text"}),
    ({"groups": ["None"]}, {"groups"}), ({"addresses": ["nobody"]}, {"addresses"}),
    ({"users": True, "subject": "a\nb"}, {"subject"}), ({"users": True, "server": "none"}, {"server"}),
    ({"users": True, "translations": {"fr": {"subject": "x", "text": ""}}}, {"translations.fr.text"}),
    ({"users": True, "translations": {"xx": {"subject": "x", "text": "x"}}}, {"translations.xx"}),
])
def test_what_cannot_be_announced_is_refused_naming_the_field(given: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(SettingsRefused) as refused:
        draft_announcement({**NEWS, **given})
    assert {problem.field for problem in refused.value.problems} == fields


def test_one_that_reaches_nobody_is_refused() -> None:
    with pytest.raises(NotPossible):
        announced(recipients=True)
