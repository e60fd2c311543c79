"""Announcements: to whom, in which words, each recipient once however often the work is interrupted."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.utils.translation import override

from postroom.flow.acceptance import accept
from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.domains.recipient_domains import allow_only
from postroom.flow.instance.branding import change_branding
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.messages.request import Person
from postroom.flow.notices import announcement_queue
from postroom.flow.notices.announcement_mail import LIST, Writer, previewed, send_test
from postroom.flow.notices.announcement_queue import FAILED, AnnouncementQueue
from postroom.flow.notices.announcements import announce, draft_announcement, reached, standing, stop
from postroom.flow.recipients.recipient_groups import add_group
from postroom.flow.recipients.recipients import Addressed
from postroom.flow.recipients.suppression import Entry, suppress
from postroom.flow.servers.configure import save_untested
from postroom.pages.queries.announcements import view_of
from postroom.store.blobs import Blobs
from postroom.store.models import Announcement, Delivery, Message, Recipient, User
from postroom.store.outbox import open_outbox
from postroom.store.queue import NewMessage
from postroom.store.queue_sqlite import SqliteQueue
from postroom.terms.problem import Problem
from postroom.terms.server import Security, ServerSettings
from postroom.terms.wording import worded

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
    queue = AnnouncementQueue(acceptor)
    while async_to_sync(queue.advance)(NOW):
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
    monkeypatch.setattr(announcement_queue, "GROUP", 4)
    row = announced(addresses=[f"p{n:02}@example.org" for n in range(10)])
    monkeypatch.setattr(accept, "COMMITTED_AT_ONCE", 1)
    real, left = SqliteQueue.enqueue_all, 0

    async def dying(self: SqliteQueue, messages: Sequence[NewMessage]) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise asyncio.CancelledError
        return await real(self, messages)

    monkeypatch.setattr(SqliteQueue, "enqueue_all", dying)
    for lives in range(1, 4):
        left = lives
        with pytest.raises(asyncio.CancelledError):
            finished(acceptor, row)
    assert 0 < Message.objects.count() < 10
    monkeypatch.setattr(SqliteQueue, "enqueue_all", real)
    row = finished(acceptor, row)
    assert (row.state, row.queued) == ("done", 10)
    assert sorted(recipients_of_messages()) == [f"p{n:02}@example.org" for n in range(10)]


def test_a_template_that_changes_in_between_makes_no_second_message(
    acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = announced(addresses=["ann@example.org"])
    real = announcement_queue._note
    monkeypatch.setattr(announcement_queue, "_note", lambda *_: None)
    async_to_sync(AnnouncementQueue(acceptor).advance)(NOW)
    monkeypatch.setattr(announcement_queue, "_note", real)
    Announcement.objects.filter(pk=row.pk).update(texts={"en": {"subject": "Other", "text": "Other"}})
    assert finished(acceptor, row).queued == 1
    assert Message.objects.count() == 1


def full(*_: Any, **__: Any) -> Any:
    detail = worded("The disk of the data directory is full. Free some space; what was accepted still leaves.")
    raise Problem(507, "storage-full", "The disk is full", detail, retry_after_s=60)


def test_what_cannot_be_queued_now_is_said_and_goes_on_later(
    acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, real, queue = announced(addresses=["ann@example.org"]), Acceptor.accept_each, AnnouncementQueue(acceptor)
    monkeypatch.setattr(Acceptor, "accept_each", full)
    assert not async_to_sync(queue.advance)(NOW)
    row.refresh_from_db()
    assert (row.state, row.failed) == ("sending", 0)
    with override("fr"):
        assert "Le disque" in view_of(row).problem
    monkeypatch.setattr(Acceptor, "accept_each", real)
    while async_to_sync(queue.advance)(NOW + timedelta(minutes=1)):
        pass
    row.refresh_from_db()
    assert (row.state, row.queued, row.problem) == ("done", 1, None)


def test_one_that_is_held_holds_no_later_one(acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = announced(addresses=["ann@example.org"]), announced(addresses=["ben@example.org"])
    real = Acceptor.accept_each

    async def one_held(self: Acceptor, requests: Any, client: Any) -> Any:
        return full() if client.id == first.pk else await real(self, requests, client)

    monkeypatch.setattr(Acceptor, "accept_each", one_held)
    assert finished(acceptor, second).state == "done"
    first.refresh_from_db()
    assert (first.state, first.queued) == ("sending", 0)
    queue = AnnouncementQueue(acceptor)
    async_to_sync(queue.advance)(NOW + timedelta(days=3))
    first.refresh_from_db()
    assert (first.failed, first.recipients.get().left_out) == (1, FAILED)


def test_those_who_can_be_written_to_do_not_wait_for_those_who_cannot_yet(
    acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcement_queue, "GROUP", 2)
    row, real = announced(addresses=[f"p{n}@example.org" for n in range(6)]), Acceptor.accept_each

    async def some_held(self: Acceptor, requests: Any, client: Any) -> Any:
        held = any(request.body["to"].startswith(("p0", "p1")) for request in requests)
        return full() if held else await real(self, requests, client)

    monkeypatch.setattr(Acceptor, "accept_each", some_held)
    queue = AnnouncementQueue(acceptor)
    for second in range(0, 60, 2):
        async_to_sync(queue.advance)(NOW + timedelta(seconds=second))
    assert recipients_of_messages() == [f"p{n}@example.org" for n in range(2, 6)]
    monkeypatch.setattr(Acceptor, "accept_each", real)
    for second in range(60, 120, 2):
        async_to_sync(queue.advance)(NOW + timedelta(seconds=second))
    row.refresh_from_db()
    assert (row.state, row.queued, sorted(recipients_of_messages())) == (
        "done", 6, [f"p{n}@example.org" for n in range(6)]
    )


@pytest.mark.parametrize(("fault", "why"), [
    (Problem(500, "fault", "Postroom failed", "The fault is in the log."), "The fault is in the log."),
    (Problem(413, "too-large", "Too large", "Send less."), "Send less."),
    (RuntimeError("a fault of our own"), "Postroom failed to write this message. Its log has the details."),
])
def test_one_that_fails_is_counted_with_the_reason_and_holds_no_other(
    acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch, fault: Exception, why: str
) -> None:
    row, later = announced(addresses=[f"p{n}@example.org" for n in range(3)]), announced(addresses=["z@example.org"])
    real = Acceptor.accept_each

    async def refusing(self: Acceptor, requests: Any, client: Any) -> Any:
        if any(request.body["to"].startswith("p1") for request in requests):
            raise fault
        return await real(self, requests, client)

    monkeypatch.setattr(Acceptor, "accept_each", refusing)
    row = finished(acceptor, row)
    assert (row.state, row.queued, row.failed, row.left_out, row.problem) == ("done", 2, 1, 0, None)
    assert view_of(row).without == [("p1@example.org", why)]
    later.refresh_from_db()
    assert later.state == "done"


def test_one_that_is_refused_stops_no_other_of_its_group_and_the_reason_is_there_in_both_languages(
    acceptor: Acceptor
) -> None:
    row, real = announced(addresses=[f"p{n}@example.org" for n in range(3)]), Writer.body
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Writer, "body", lambda writer, to: {
            **real(writer, to), **({"to": "nobody"} if to.address.startswith("p1") else {}),
        })
        row = finished(acceptor, row)
    assert (row.queued, row.failed) == (2, 1)
    ((_, english),) = view_of(row).without
    with override("fr"):
        ((_, french),) = view_of(row).without
    assert "no @" in english
    assert french != english


def test_what_servers_refused_is_counted_too(acceptor: Acceptor) -> None:
    row = finished(acceptor, announced(addresses=["ann@example.org", "ben@example.org"]))
    Delivery.objects.filter(recipient="ann@example.org").update(state="failed")
    assert standing(row) == {"failed": 1, "queued": 1}


VALUES = {"subject": "{{ recipient.name }}: {{ recipient.region }}",
          "text": "Hello {{ recipient.name | default: \"colleague\" }}{% if recipient.vip %}, dear{% endif %}."}


def test_each_recipients_values_stand_in_subject_and_text_as_they_were_when_it_began(acceptor: Acceptor) -> None:
    ann = Recipient.objects.create(
        address="ann@example.org", address_key="ann@example.org", name="Ann <b>",
        values={"region": "North", "vip": True},
    )
    row = draft_announcement({**VALUES, "addresses": ["ann@example.org", "ben@example.org"]})
    announce(row, actor="test", sender_id="M", sender_name="Marta", now=NOW)
    announcement_queue._under_way(NOW)
    Recipient.objects.filter(pk=ann.pk).update(values={"region": "South"})
    assert finished(acceptor, row).queued == 2
    to_ann, to_ben = Message.objects.order_by("pk")
    assert (to_ann.subject, to_ben.subject) == ("Ann <b>: North", ":")
    made = previewed(row, Addressed("ann@example.org", "ann@example.org", "Ann <b>", values={"vip": True}))
    assert "Hello Ann &lt;b&gt;, dear." in made.made.html
    assert "Hello Ann <b>, dear." in made.made.text
    assert made.missing == ("recipient.region",)


@pytest.mark.parametrize("text", [
    "{{ recipient.name", "{% include 'x' %}", "{% for n in (1..9) %}x{% endfor %}",
])
def test_m2_a_text_with_what_the_closed_language_does_not_have_is_refused_beside_its_field(text: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        draft_announcement({"subject": text, "text": text, "users": True})
    assert {problem.field for problem in refused.value.problems} == {"subject", "text"}


def test_a_filter_that_does_not_exist_is_told_before_anybody_is_written_to() -> None:
    with pytest.raises(SettingsRefused) as refused:
        announced(addresses=["ann@example.org"], text="{{ recipient.name | uper }}")
    assert [problem.field for problem in refused.value.problems] == ["text"]
    assert not Announcement.objects.exists()


def test_m2_values_reach_neither_attributes_nor_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "canary-7261")
    text = "{{ recipient.__class__ }}{{ recipient.name.__class__.__mro__ }}{{ env.CANARY }}{{ site.secret }}."
    row = draft_announcement({"subject": "S", "text": text, "addresses": ["ann@example.org"]})
    made = previewed(row, Addressed("ann@example.org", "ann@example.org", "{{ env.CANARY }}")).made
    assert "canary" not in made.text + made.html
    assert "class" not in made.text


def test_ten_recipients_share_one_file_of_the_logo(acceptor: Acceptor, tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    change_branding({"logo": b"\x89PNG\r\n\x1a\n" + os.urandom(20_000)}, "test")
    row = finished(acceptor, announced(addresses=[f"p{n}@example.org" for n in range(10)]))
    assert row.queued == 10
    sizes = [file.stat().st_size for file in (tmp_path / "blobs").rglob("*") if file.is_file()]
    assert len(sizes) == 1
    assert 26_000 < sizes[0] < 29_000
    stored = [len(bytes(octets)) for octets in Message.objects.values_list("content__octets", flat=True) if octets]
    assert sum(stored) < 10 * 8_000


def test_a_stopped_one_queues_no_more_and_stops_once(acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcement_queue, "GROUP", 2)
    row = announced(addresses=[f"p{n}@example.org" for n in range(6)])
    async_to_sync(AnnouncementQueue(acceptor).advance)(NOW)
    stop(row.pk, actor="test", now=NOW)
    with pytest.raises(NotPossible):
        stop(row.pk, actor="test", now=NOW)
    row = finished(acceptor, row)
    assert (row.state, row.queued, Message.objects.count()) == ("stopped", 2, 2)


def test_a_test_goes_to_one_person_and_to_no_recipient(acceptor: Acceptor) -> None:
    draft = draft_announcement({**VALUES, "addresses": ["ann@example.org"]})
    ann = Addressed("ann@example.org", "ann@example.org", "Ann", values={"region": "North"})
    async_to_sync(send_test)(acceptor, draft, ann, Addressed("me@example.org", "me@example.org"), Person("ME", "Me"))
    assert recipients_of_messages() == ["me@example.org"]
    assert Message.objects.get().subject == "Ann: North"
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
