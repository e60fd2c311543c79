"""Choosing a provider: it fills in the form without JavaScript as with it, and what was typed stays."""

import html
import json
import re

import pytest
from django.test import Client

from postroom.pages.forms.server_limits import read_limits, typed_limits
from postroom.policy.preset import presets
from postroom.store.models import ServerTest, SmtpServer, User
from postroom.terms.server import Auth, Limits, ServerSettings

from .test_smtp_servers import filled

FRANKFURT = "email-smtp.eu-central-1.amazonaws.com"


def value_of(text: str, name: str) -> str:
    tag = re.search(rf'<input[^>]*\bname="{name}"[^>]*>', text)
    assert tag is not None, name
    found = re.search(r'\bvalue="([^"]*)"', tag[0])
    assert found is not None
    return html.unescape(found[1])


def checked(text: str, name: str) -> list[str]:
    tags = re.findall(rf'<input[^>]*\bname="{name}"[^>]*>', text)
    return [value_of(tag, name) for tag in tags if "checked" in tag]


def test_a_new_form_begins_with_the_providers_and_none_is_chosen(page: Client) -> None:
    text = page.get("/smtp-servers/new").content.decode()
    assert checked(text, "provider") == []
    assert text.count('class="pr-tile"') == 7
    for each in presets().values():
        assert f'value="{each.slug}"' in text
    first = text[text.index('name="provider"') :].split(">")[0]
    assert "data-pr-focus" in first
    assert re.search(r'<li class="pr-now" aria-current="step">\s*<i aria-hidden="true">1</i>', text)


def test_a_provider_in_the_address_fills_in_the_form_without_javascript(page: Client) -> None:
    text = page.get(f"/smtp-servers/new?provider=ses&region={FRANKFURT}").content.decode()
    assert value_of(text, "name") == "Amazon SES"
    assert value_of(text, "host") == FRANKFURT
    assert value_of(text, "port") == "587"
    assert checked(text, "security") == ["starttls"]
    assert checked(text, "auth") == ["password"]
    assert checked(text, "provider") == ["ses"]
    assert f'value="{FRANKFURT}" selected' in text
    assert "The SMTP user name from the SES console" in text
    assert "Ask for production access" in text
    field = text[text.index('id="f-from_address"') :].split(">")[0]
    assert "data-pr-focus" in field, "what is the customer's own comes next"


def test_one_of_the_further_providers_is_taken_even_where_a_tile_is_named_too(page: Client) -> None:
    text = page.get("/smtp-servers/new?provider=gmail&more=resend").content.decode()
    assert value_of(text, "host") == "smtp.resend.com"
    assert value_of(text, "port") == "465"
    assert value_of(text, "username") == "resend"


def test_an_unknown_provider_fills_in_nothing(page: Client) -> None:
    text = page.get("/smtp-servers/new?provider=nobody&region=evil.example").content.decode()
    assert value_of(text, "host") == ""
    assert page.get("/smtp-servers/provider?provider=nobody").status_code == 404


def test_the_answer_to_a_choice_says_what_to_fill_in_and_what_to_do_there(page: Client) -> None:
    text = page.get("/smtp-servers/provider?provider=sendgrid").content.decode()
    fill = re.search(r'data-pr-fill="([^"]*)"', text)
    assert fill is not None
    assert json.loads(html.unescape(fill[1])) == {
        "name": "SendGrid", "host": "smtp.sendgrid.net", "port": "587", "security": "starttls", "auth": "password",
        "username": "apikey",
    }
    assert "SendGrid: smtp.sendgrid.net and port 587 are filled in." in text
    assert "2 steps to take there first" in text
    assert 'id="provider-note" tabindex="-1" hx-swap-oob="true"' in text
    assert "https://www.twilio.com/docs/sendgrid/" in text


def test_the_form_says_where_no_page_of_the_vendor_was_read(page: Client) -> None:
    said = "Agreed by two public sources, not checked on the provider’s own page."
    assert said in page.get("/smtp-servers/provider?provider=gmx").content.decode()
    assert said not in page.get("/smtp-servers/provider?provider=sendgrid").content.decode()


def test_only_an_administrator_chooses(viewer: User) -> None:
    client = Client()
    client.force_login(viewer)
    assert client.get("/smtp-servers/provider?provider=ses").status_code == 403


def test_a_name_that_another_server_has_gets_a_number(page: Client, relay: SmtpServer) -> None:
    settings = relay.typed_settings.changed(name="SendGrid")
    relay.name, relay.settings = settings.name, settings.as_json()
    relay.save()
    assert value_of(page.get("/smtp-servers/new?provider=sendgrid").content.decode(), "name") == "SendGrid 2"


def test_the_limits_of_a_provider_can_be_taken_over(page: Client) -> None:
    text = page.get("/smtp-servers/new?provider=microsoft365&limits=yes").content.decode()
    assert value_of(text, "limits.messages_per_minute") == "30"
    assert "changed: Limits" in text


def test_what_is_plain_from_the_rest_need_not_be_typed(page: Client, settings_of_relay: ServerSettings) -> None:
    typed = filled(settings_of_relay, name="", host="smtp.gmail.com", from_address="", provider="gmail")
    assert page.post("/smtp-servers/new", {**typed, "username": "reports@norrvik.example"}).status_code == 302
    tested = ServerTest.objects.get().typed_settings
    assert (tested.name, tested.from_address) == ("Gmail", "reports@norrvik.example")


def test_a_server_without_a_name_is_called_as_its_host(page: Client, settings_of_relay: ServerSettings) -> None:
    assert page.post("/smtp-servers/new", filled(settings_of_relay, name="")).status_code == 302
    assert ServerTest.objects.get().typed_settings.name == "relay.norrvik.example"


def test_the_chosen_provider_and_everything_typed_but_the_password_stay_after_an_error(
    page: Client, settings_of_relay: ServerSettings
) -> None:
    typed = filled(settings_of_relay, from_address="reports@", host=FRANKFURT, **{"limits.connections": "4"})
    answer = page.post("/smtp-servers/new", {**typed, "provider": "ses", "uncertain": "hold"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert checked(text, "provider") == ["ses"]
    assert f'value="{FRANKFURT}" selected' in text
    assert value_of(text, "limits.connections") == "4"
    assert '<option value="hold" selected>' in text
    assert "secret-canary" not in text
    typed_by_hand = re.search(r'data-pr-typed="([^"]*)"', text)
    assert typed_by_hand is not None
    assert json.loads(html.unescape(typed_by_hand[1])) == ["name", "username"]


def test_a_saved_server_shows_its_provider(page: Client, relay: SmtpServer) -> None:
    text = page.get(f"/smtp-servers/{relay.pk}").content.decode()
    assert checked(text, "provider") == ["other"]
    relay.settings = relay.typed_settings.changed(auth=Auth.NONE, username="").as_json()
    relay.save()
    assert checked(page.get(f"/smtp-servers/{relay.pk}").content.decode(), "provider") == ["postfix"]
    settings = relay.typed_settings.changed(host="norrvik-example.mail.protection.outlook.com")
    relay.settings = settings.as_json()
    relay.save()
    text = page.get(f"/smtp-servers/{relay.pk}").content.decode()
    assert '<option value="microsoft365-relay" selected>' in text


def test_limits_and_what_happens_after_a_lost_connection_are_saved(
    page: Client, settings_of_relay: ServerSettings
) -> None:
    limits = {"limits.messages_per_minute": "30", "limits.size_bytes": "25 MB", "limits.connections": ""}
    page.post("/smtp-servers/new", {**filled(settings_of_relay), **limits, "uncertain": "retry"})
    tested = ServerTest.objects.get().typed_settings
    assert tested.limits == Limits(messages_per_minute=30, size_bytes=25 * 1_024**2)
    assert tested.uncertain == "retry"


@pytest.mark.parametrize(("name", "text"), [
    ("connections", "many"), ("connections", "0"), ("connections", "2 MB"), ("size_bytes", "25 megs"),
    ("messages_per_day", "-1"), ("size_bytes", "99999999999999 GB"),
])
def test_a_limit_that_is_no_number_is_named_and_kept(
    page: Client, settings_of_relay: ServerSettings, name: str, text: str
) -> None:
    answer = page.post("/smtp-servers/new", {**filled(settings_of_relay), f"limits.{name}": text})
    assert answer.status_code == 422
    page_text = answer.content.decode()
    assert f'href="#f-limits.{name}"' in page_text
    assert value_of(page_text, f"limits.{name}") == text


@pytest.mark.parametrize("limits", [
    Limits(), Limits(1, 2, 3, 4, 5, 6), Limits(size_bytes=10_000_000), Limits(size_bytes=3 * 1_024**3),
])
def test_limits_survive_the_way_through_the_form(limits: Limits) -> None:
    assert read_limits(typed_limits(limits)) == limits


def test_the_words_of_a_preset_follow_the_reader(page: Client, administrator: User) -> None:
    User.objects.filter(pk=administrator.pk).update(language="fr")
    text = page.get("/smtp-servers/provider?provider=gmail").content.decode()
    assert "Un mot de passe d’application ; celui du compte est refusé" in text
