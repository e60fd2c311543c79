"""Messages that name a template."""

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from tests.outbox import octets_of

from postroom.flow.acceptance.accept import Accepted, Acceptor, previewed
from postroom.flow.instance.branding import change_branding
from postroom.flow.servers.configure import save_untested
from postroom.flow.templates.template_edit import change_template, template_named
from postroom.flow.templates.templates import rendered
from postroom.store.blobs import Blobs
from postroom.store.models import Message, Recipient
from postroom.store.outbox import open_outbox
from postroom.terms.problem import Problem
from postroom.terms.server import Security, ServerSettings

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
BODY = {"to": ["Amira <amira@norrvik.example>"], "template": "announcement", "data": {"title": "Hello", "text": "a<b"}}


@pytest.fixture(autouse=True)
def server() -> None:
    settings = ServerSettings(
        name="Relay", from_name="Reports", from_address="reports@norrvik.example", host="smtp.norrvik.example", port=25,
        security=Security.NONE,
    )
    save_untested(
        settings, password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test"
    )


def _mail(body: dict[str, Any]) -> EmailMessage:
    return email.message_from_bytes(previewed(body).composed.content, policy=email.policy.default)


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_a_template_gives_subject_html_and_text() -> None:
    mail = _mail(BODY)
    assert mail["Subject"] == "Hello"
    assert "a&lt;b" in _body(mail, "html")
    assert "a<b" in _body(mail, "plain")


def test_a_given_subject_stands_before_that_of_the_template() -> None:
    assert _mail(BODY | {"subject": "Mine"})["Subject"] == "Mine"


def test_a_recipient_who_is_known_is_written_to_in_their_language() -> None:
    Recipient.objects.create(
        name="Amira", address="amira@norrvik.example", address_key="amira@norrvik.example", language="fr"
    )
    reset = {"to": "amira@norrvik.example", "template": "password-reset", "data": {"link": "https://x.example/r"}}
    mail = _mail(reset)
    assert mail["Subject"].startswith("Choisissez un nouveau mot de passe")
    assert "Bonjour Amira" in _body(mail, "plain")
    assert 'lang="fr"' in _body(mail, "html")


def test_the_logo_travels_within_the_mail() -> None:
    change_branding({"logo": PNG}, "test")
    pictures = [part for part in _mail(BODY).walk() if part.get_content_type() == "image/png"]
    assert [(part["Content-ID"], part.get_payload(decode=True)) for part in pictures] == [("<logo>", PNG)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"template": "no-such"}, "template"),
        ({"text": "x"}, "template"),
        ({"template": None}, "data"),
        ({"data": {"title": {"a": {"b": [[[[[[[[[[[1]]]]]]]]]]]}}}}, "template"),
    ],
)
def test_what_does_not_fit_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Problem) as refusal:
        previewed(BODY | change)
    assert field in {error.field for error in refusal.value.errors}


def test_m1_a_value_never_begins_a_header_field_of_its_own() -> None:
    mail = _mail(BODY | {"data": {"title": "Hi\r\nBcc: eve@evil.example\nX: y", "text": "t"}})
    assert mail["Bcc"] is None
    assert mail["X"] is None
    assert mail["Subject"] == "Hi Bcc: eve@evil.example X: y"


def test_times_are_those_of_the_zone_of_the_recipient() -> None:
    at = datetime(2026, 7, 1, 10, tzinfo=UTC)
    made = rendered("password-reset", "en", {"expires_at": at, "recipient": {"time_zone": "Europe/Berlin"}})
    assert "1 July 2026, 12:00" in made.text


@pytest.mark.django_db(transaction=True)
def test_m7_what_a_template_becomes_later_changes_no_message_that_was_accepted(tmp_path: Path) -> None:
    outbox = open_outbox()
    try:
        acceptor = Acceptor(outbox.queue, Blobs(tmp_path / "blobs"))
        first: Accepted = async_to_sync(acceptor.accept_small)(BODY, None, "key")
        before = octets_of(Message.objects.get(), tmp_path / "blobs")
        row = template_named("announcement")
        assert row is not None
        change_template(row.pk, {}, {"en": {"subject": "Changed", "html": "<p>Changed</p>"}}, "test")
        again: Accepted = async_to_sync(acceptor.accept)(BODY, None, "key")
    finally:
        outbox.close()
    assert again.enqueued.id == first.enqueued.id
    assert octets_of(Message.objects.get(), tmp_path / "blobs") == before
    assert b"Changed" not in before
    assert _mail(BODY)["Subject"] == "Changed"
