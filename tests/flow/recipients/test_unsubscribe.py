"""Leaving a list by a link: a message of a list has one recipient, and its header names no address."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone
from tests.outbox import octets_of

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.recipients import unsubscribe
from postroom.flow.recipients.unsubscribe import foresee_links, leave, link_of
from postroom.flow.servers.configure import save_untested
from postroom.message.mime_reader import Header, header_of
from postroom.store.blobs import Blobs
from postroom.store.models import AuditEntry, Message, Suppression, UnsubscribeLink
from postroom.store.outbox import open_outbox
from postroom.terms.problem import Problem
from postroom.terms.server import Security, ServerSettings

pytestmark = pytest.mark.django_db(transaction=True)
WEEKLY = {"to": "Ann@example.com", "subject": "Sales", "text": "Hello", "unsubscribe": "Weekly sales"}


@pytest.fixture
def acceptor(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acceptor]:
    monkeypatch.setattr(unsubscribe, "_known", {})  # rows of an earlier test
    settings.PUBLIC_URL = "https://mail.company.example"
    relay = ServerSettings(
        name="Relay", from_address="reports@company.example", host="smtp.company.example", security=Security.NONE
    )
    save_untested(relay, password=None, based_on=None, server=None, reason="x", use_unverified=True, actor="test")
    outbox = open_outbox()
    yield Acceptor(outbox.queue, Blobs(tmp_path / "blobs"))
    outbox.close()


def header_for(acceptor: Acceptor, tmp_path: Path, body: Any = WEEKLY) -> Header:
    accepted = async_to_sync(acceptor.accept_small)(body, None)
    message = Message.objects.get(pk=accepted.enqueued.id)
    assert message.list_name == body.get("unsubscribe", "")
    return header_of(octets_of(message, tmp_path / "blobs"))


def refused(acceptor: Acceptor, **changes: Any) -> list[str]:
    with pytest.raises(Problem) as problem:
        async_to_sync(acceptor.accept)({**WEEKLY, **changes}, None)
    return [error.field for error in problem.value.errors]


def test_the_header_has_the_two_fields_of_rfc_8058(acceptor: Acceptor, tmp_path: Path) -> None:
    header = header_for(acceptor, tmp_path)
    assert header.first("list-unsubscribe-post") == "List-Unsubscribe=One-Click"
    link = header.first("list-unsubscribe")
    assert link.startswith("<https://mail.company.example/unsubscribe/")
    assert link_of(link.rpartition("/")[2].rstrip(">")) == UnsubscribeLink.objects.get()


def test_s6_the_link_names_neither_address_nor_list(acceptor: Acceptor, tmp_path: Path) -> None:
    link = header_for(acceptor, tmp_path).first("list-unsubscribe").lower()
    assert "ann" not in link.replace("mail.company.example", "")
    assert "weekly" not in link


def test_without_https_no_mail_program_is_asked_to_post(acceptor: Acceptor, tmp_path: Path, settings: Any) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8025"
    header = header_for(acceptor, tmp_path)
    assert header.first("list-unsubscribe").startswith("<http://127.0.0.1:8025/unsubscribe/")
    assert header.first("list-unsubscribe-post") == ""


def test_one_person_and_list_have_one_link_however_the_address_is_written(acceptor: Acceptor, tmp_path: Path) -> None:
    links = {
        header_for(acceptor, tmp_path, {**WEEKLY, "to": to}).first("list-unsubscribe")
        for to in ("ann@example.com", "ANN@EXAMPLE.COM", "Ann <ann@example.com>")
    }
    assert len(links) == 1
    assert header_for(acceptor, tmp_path, {**WEEKLY, "unsubscribe": "Daily"}).first("list-unsubscribe") not in links


def test_other_mail_has_no_such_fields(acceptor: Acceptor, tmp_path: Path) -> None:
    body = {name: value for name, value in WEEKLY.items() if name != "unsubscribe"}
    assert header_for(acceptor, tmp_path, body).first("list-unsubscribe") == ""
    assert not UnsubscribeLink.objects.exists()


def test_a_message_to_several_people_can_not_be_left_by_a_link_and_is_refused(acceptor: Acceptor) -> None:
    assert refused(acceptor, to=["ann@example.com", "ben@example.com"]) == ["unsubscribe"]
    assert refused(acceptor, bcc="ben@example.com") == ["unsubscribe"]
    assert not UnsubscribeLink.objects.exists()


@pytest.mark.parametrize("name", ["*", "", " ", "a\nb", "x" * 101])
def test_a_list_has_a_name_that_can_be_shown(acceptor: Acceptor, name: str) -> None:
    assert refused(acceptor, unsubscribe=name) == ["unsubscribe"]


def test_a_field_of_the_clients_own_beside_it_is_refused(acceptor: Acceptor) -> None:
    own = {"list-unsubscribe": "<mailto:leave@example.com>"}
    assert refused(acceptor, headers=own) == ["headers.list-unsubscribe"]


def test_leaving_is_for_that_list_and_counts_once(acceptor: Acceptor, tmp_path: Path) -> None:
    header_for(acceptor, tmp_path)
    link = UnsubscribeLink.objects.get()
    leave(link, timezone.now())
    leave(link, timezone.now())
    row = Suppression.objects.get()
    assert (row.address, row.list_name, row.reason) == ("ann@example.com", "Weekly sales", "unsubscribe")
    assert AuditEntry.objects.filter(action="suppression.add", actor="recipient").count() == 1


def test_a_batch_has_each_message_with_its_own_link(acceptor: Acceptor, tmp_path: Path) -> None:
    messages = [{**WEEKLY, "to": f"r{number}@example.com"} for number in range(40)]
    messages += [{**WEEKLY, "to": ["R1@example.com"], "unsubscribe": "Daily"}, {**WEEKLY, "to": "r2@example.com"}]
    accepted = async_to_sync(acceptor.accept_batch)({"messages": messages}, None)
    links = [
        header_of(octets_of(Message.objects.get(pk=each.enqueued.id), tmp_path / "blobs")).first("list-unsubscribe")
        for each in accepted
    ]
    assert UnsubscribeLink.objects.count() == 41
    assert len(set(links)) == 41
    assert links[2] == links[41]


@pytest.mark.usefixtures("acceptor")
def test_the_links_of_many_messages_are_made_at_once(django_assert_max_num_queries: Any) -> None:
    bodies = [{**WEEKLY, "to": f"r{number}@example.com"} for number in range(40)]
    odd = [{}, None, {"unsubscribe": "x", "to": 3}, {**WEEKLY, "unsubscribe": "*"}, {**WEEKLY, "to": "nobody"}]
    with django_assert_max_num_queries(6):
        foresee_links([*bodies, *odd], timezone.now())
    assert UnsubscribeLink.objects.count() == 40
    with django_assert_max_num_queries(0):
        foresee_links(bodies, timezone.now())
