"""Write a message: preview, faults beside their fields, files kept between the steps, and the API's own way in."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from postroom.flow.servers import configure
from postroom.store.models import Message, SmtpServer, User
from postroom.terms.server import ServerSettings

from .conftest import PASSWORD

FORM = {
    "to": "Ann Lee <ann@norrvik.example>; bob@norrvik.example\ncarl@norrvik.example", "cc": "", "bcc": "",
    "subject": "Gate 3 is closed", "text": "Use gate 4.", "html": "", "server": "", "purpose": "communication",
    "key": "0123456789abcdef",
}


@pytest.fixture
def server() -> SmtpServer:
    values = ServerSettings(
        name="Relay", host="relay.norrvik.example", from_name="Norrvik", from_address="postroom@norrvik.example",
        subject_prefix="[Norrvik]",
    )
    server = configure.save_untested(values, password=None, based_on=None, server=None, reason="new", actor="x")
    SmtpServer.objects.filter(pk=server.pk).update(use_unverified=True, is_default=True)
    return SmtpServer.objects.get(pk=server.pk)


def tokens_of(text: str) -> list[str]:
    return re.findall(r'name="file" value="([^"]+)"', text)


@pytest.mark.usefixtures("server")
def test_the_preview_shows_what_the_recipients_will_see_and_stores_nothing(page: Client) -> None:
    html = "<h1>Gate 3</h1><script>parent.alert(1)</script>"
    text = page.post("/messages/new", {**FORM, "html": html, "bcc": "dora@norrvik.example"}).content.decode()
    assert "Norrvik &lt;postroom@norrvik.example&gt;" in text
    assert "[Norrvik] Gate 3 is closed" in text
    assert "To 4 recipients through Relay" in text
    assert "nobody sees these" in text
    assert "<h1>Gate 3</h1>" not in text
    frame = Client().get(text.split('class="pr-frame" src="')[1].split('"')[0])
    assert html in frame.content.decode()
    assert "allow-scripts" not in frame["Content-Security-Policy"]
    assert not Message.objects.exists()


@pytest.mark.usefixtures("server")
def test_faults_stand_beside_their_fields_and_nothing_typed_is_lost(page: Client) -> None:
    answer = page.post("/messages/new", {
        **FORM, "to": "ann@norrvik.example, bob", "text": "", "subject": "Kept <b>",
        "attachments": SimpleUploadedFile("plan.pdf", b"%PDF", "application/pdf"),
    })
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "“bob” has no @" in text
    assert 'id="e-text"' in text
    assert "2 fields need a change" in text
    assert "ann@norrvik.example, bob</textarea>" in text
    assert "Kept &lt;b&gt;" in text
    assert "plan.pdf" in text
    assert len(tokens_of(text)) == 1


@pytest.mark.usefixtures("server")
def test_a_file_whose_tick_is_taken_away_or_that_is_another_persons_is_not_sent(page: Client) -> None:
    upload = SimpleUploadedFile("plan.pdf", b"%PDF", "application/pdf")
    preview = page.post("/messages/new", {**FORM, "attachments": upload}).content.decode()
    (token,) = tokens_of(preview)
    assert "plan.pdf" in page.post("/messages/new", {**FORM, "file": token, "do": "edit"}).content.decode()
    assert "plan.pdf" not in page.post("/messages/new", {**FORM, "do": "edit"}).content.decode()
    other = Client()
    other.force_login(User.objects.create_user("o@norrvik.example", PASSWORD, name="O", role=User.Role.OPERATOR))
    answer = other.post("/messages/new", {**FORM, "file": token})
    assert answer.status_code == 422
    assert "plan.pdf" not in answer.content.decode()


@pytest.mark.usefixtures("server")
def test_files_over_the_limit_are_left_out_and_named(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.pages.forms.write_message.UPLOAD_BYTES", 10)
    uploads = [SimpleUploadedFile("small.txt", b"12345678"), SimpleUploadedFile("large.txt", b"12345678")]
    answer = page.post("/messages/new", {**FORM, "attachments": uploads})
    assert answer.status_code == 422
    assert "“large.txt” is left out" in answer.content.decode()
    assert len(tokens_of(answer.content.decode())) == 1


@pytest.mark.django_db(transaction=True)
def test_sending_goes_through_the_same_door_as_the_api_and_once_only(page: Client, server: SmtpServer) -> None:
    upload = SimpleUploadedFile("plan.pdf", b"%PDF-1.7", "application/pdf")
    preview = page.post("/messages/new", {**FORM, "attachments": upload}).content.decode()
    form = {**FORM, "file": tokens_of(preview), "do": "send", "server": server.pk}
    answer = page.post("/messages/new", form)
    message = Message.objects.get()
    assert answer["Location"] == f"/messages/{message.pk}"
    assert (message.client_name, message.client, message.subject) == (
        "Marta Keller", None, "[Norrvik] Gate 3 is closed",
    )
    assert message.attachments == [{"filename": "plan.pdf", "content_type": "application/pdf", "size_bytes": 8}]
    assert sorted(message.deliveries.values_list("recipient", flat=True)) == [
        "ann@norrvik.example", "bob@norrvik.example", "carl@norrvik.example",
    ]
    assert page.post("/messages/new", form)["Location"] == f"/messages/{message.pk}"
    assert Message.objects.count() == 1


def test_without_a_server_the_form_says_so_and_keeps_the_text(page: Client) -> None:
    answer = page.post("/messages/new", FORM)
    assert answer.status_code == 422
    assert "No SMTP server is switched on" in answer.content.decode()
    assert "Use gate 4." in answer.content.decode()
