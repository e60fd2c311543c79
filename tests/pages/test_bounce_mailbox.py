"""The page Bounce mailbox: what is entered, how the last look went, and never the password."""

import pytest
from django.test import Client
from django.utils import timezone

from postroom.store.models import AuditEntry, BounceMailbox

FORM = {
    "host": "imap.company.example", "port": "993", "username": "bounces", "password": "canary-7f3a", "folder": "INBOX",
    "done_folder": "", "enabled": "on",
}


def text_of(page: Client, address: str = "/bounce-mailbox") -> str:
    answer = page.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_a_mailbox_the_form_is_there_with_the_usual_values(page: Client) -> None:
    text = text_of(page)
    assert 'value="993"' in text
    assert "No mailbox is set." in text
    assert "No server has a return path for bounces yet." in text


def test_a_mailbox_is_saved_sealed_and_looked_into(page: Client) -> None:
    assert page.post("/bounce-mailbox", FORM).status_code == 302
    row = BounceMailbox.objects.get()
    assert (row.host, row.port, row.username, row.enabled) == ("imap.company.example", 993, "bounces", True)
    assert "canary" not in row.sealed_password
    text = text_of(page)
    assert "Postroom looks into the mailbox" in text
    assert "canary-7f3a" not in text
    assert "canary" not in str(AuditEntry.objects.values_list("changes", flat=True))


@pytest.mark.parametrize(("changes", "field"), [
    ({"host": "https://x"}, "host"), ({"port": "abc"}, "port"), ({"port": "6379"}, "port"),
    ({"username": ""}, "username"), ({"password": ""}, "password"), ({"folder": '"'}, "folder"),
])
def test_what_can_not_be_taken_is_said_beside_its_field(page: Client, changes: dict[str, str], field: str) -> None:
    answer = page.post("/bounce-mailbox", FORM | changes)
    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.content.decode()
    assert "canary" not in answer.content.decode()
    assert not BounceMailbox.objects.exists()


def test_the_last_look_is_told_with_the_servers_words_as_text(page: Client) -> None:
    page.post("/bounce-mailbox", FORM)
    BounceMailbox.objects.update(looked_at=timezone.now(), fault="sign-in\n<b>no</b>")
    text = text_of(page, "/bounce-mailbox/state")
    assert "refuses user name or password" in text
    assert "&lt;b&gt;no&lt;/b&gt;" in text
    assert "hx-get" not in text
    BounceMailbox.objects.update(fault="", read_count=12)
    assert "12 reports read so far." in text_of(page, "/bounce-mailbox/state")


def test_a_look_is_asked_for_and_polled_until_it_is_done(page: Client) -> None:
    page.post("/bounce-mailbox", FORM)
    BounceMailbox.objects.update(looked_at=timezone.now())
    assert page.post("/bounce-mailbox/look").status_code == 302
    assert "hx-get" in text_of(page, "/bounce-mailbox/state")


def test_it_is_removed_with_its_password(page: Client) -> None:
    page.post("/bounce-mailbox", FORM)
    assert page.post("/bounce-mailbox/remove").status_code == 302
    assert not BounceMailbox.objects.exists()
