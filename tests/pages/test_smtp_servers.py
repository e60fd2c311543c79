"""The form Configure SMTP server: labels, problems with remedies, passwords that never come back."""

import pytest
from django.test import Client
from django.utils import timezone

from postroom.store.models import AuditEntry, ServerTest, SmtpServer
from postroom.terms.server import ServerSettings

CANARY = "secret-canary"


def filled(settings: ServerSettings, **changes: str) -> dict[str, str]:
    values = {k: str(v) for k, v in settings.as_json().items() if isinstance(v, str | int) and not isinstance(v, bool)}
    return {**values, "verify_certificate": "on", "password": CANARY, "action": "test", **changes}


def passed(test: ServerTest) -> ServerTest:
    test.status, test.finished_at = "passed", timezone.now()
    test.save()
    return test


def test_the_form_carries_the_reference_pages_labels(page: Client) -> None:
    text = page.get("/smtp-servers/new").content.decode()
    for label in ("Name", "Description", "From Name", "From Address", "Subject Prefix", "Host Name", "SMTP Port", "SSL",
                  "Username", "Password", "Test Mail", "STARTTLS", "SSL/TLS"):
        assert f">{label}<" in text or f">{label} <" in text, label


def test_run_live_test_queues_a_test_that_sends(page: Client, settings_of_relay: ServerSettings) -> None:
    answer = page.post("/smtp-servers/new", filled(settings_of_relay))
    test = ServerTest.objects.get()
    assert answer["Location"] == f"/smtp-tests/{test.pk}"
    assert test.send
    assert test.typed_settings == settings_of_relay


def test_a_test_left_behind_is_found_again_in_the_list_until_its_settings_are_saved(
    page: Client, settings_of_relay: ServerSettings
) -> None:
    page.post("/smtp-servers/new", filled(settings_of_relay))
    test = ServerTest.objects.get()
    assert "Internal relay is being tested." in page.get("/smtp-servers").content.decode()
    passed(test)
    text = page.get("/smtp-servers").content.decode()
    assert "Internal relay passed its test." in text
    assert f'href="/smtp-tests/{test.pk}">Show the test' in text
    page.post(f"/smtp-tests/{test.pk}/save")
    assert "not saved yet" not in page.get("/smtp-servers").content.decode()


def test_a_test_of_other_settings_for_a_saved_server_is_found_again_in_the_list(
    page: Client, relay: SmtpServer
) -> None:
    changed = filled(relay.typed_settings, host="other.norrvik.example", auth="none", username="")
    page.post(f"/smtp-servers/{relay.pk}", changed)
    ServerTest.objects.update(status="failed", finished_at=timezone.now())
    assert f"{relay.name} failed its test." in page.get("/smtp-servers").content.decode()
    ServerTest.objects.update(created_by="somebody@else.example")
    assert "not saved yet" not in page.get("/smtp-servers").content.decode()


def test_it_is_said_that_no_mail_leaves_while_the_only_real_server_is_switched_off(
    page: Client, relay: SmtpServer
) -> None:
    SmtpServer.objects.filter(pk=relay.pk).update(use_unverified=True)
    assert "no mail leaves" not in page.get("/smtp-servers").content.decode()
    text = page.post(f"/smtp-servers/{relay.pk}/switch", {"enabled": "no"}, follow=True).content.decode()
    assert "No server takes deliveries, so no mail leaves." in text
    assert f"{relay.name} is switched off and takes no deliveries." in text


def test_check_connection_queues_a_test_that_sends_nothing(page: Client, settings_of_relay: ServerSettings) -> None:
    page.post("/smtp-servers/new", filled(settings_of_relay, action="check"))
    assert ServerTest.objects.get().send is False


def test_a_url_in_host_name_is_understood_and_offered_corrected(
    page: Client, settings_of_relay: ServerSettings
) -> None:
    answer = page.post("/smtp-servers/new", filled(settings_of_relay, host="smtp://mail.example:587"))
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Use mail.example and port 587" in text
    assert 'value="smtp://mail.example:587"' in text
    assert 'href="#f-host"' in text


def test_a_port_that_is_no_number_is_refused_beside_its_field(page: Client, settings_of_relay: ServerSettings) -> None:
    text = page.post("/smtp-servers/new", filled(settings_of_relay, port="smtp")).content.decode()
    assert "Enter a number from 1 to 65535" in text
    assert 'value="smtp"' in text


def test_a_refused_form_asks_for_the_password_again_and_never_repeats_it(
    page: Client, settings_of_relay: ServerSettings
) -> None:
    text = page.post("/smtp-servers/new", filled(settings_of_relay, from_address="reports@")).content.decode()
    assert CANARY not in text
    assert "Enter the password again" in text


def test_an_anonymous_relay_is_taken_without_a_sign_in(page: Client, settings_of_relay: ServerSettings) -> None:
    values = filled(settings_of_relay, auth="none", username="", password="", security="none", port="25")
    assert page.post("/smtp-servers/new", values).status_code == 302
    assert ServerTest.objects.get().typed_settings.auth == "none"


def test_the_stored_password_is_told_by_its_date_only(page: Client, relay: SmtpServer) -> None:
    text = page.get(f"/smtp-servers/{relay.pk}").content.decode()
    assert "never shown" in text
    assert CANARY not in text
    assert relay.sealed_password not in text


def test_a_changed_host_name_demands_the_password_again(page: Client, relay: SmtpServer) -> None:
    values = filled(relay.typed_settings, host="capture.example", password="")
    text = page.post(f"/smtp-servers/{relay.pk}", values).content.decode()
    assert 'id="e-password"' in text
    assert not ServerTest.objects.exists()


def test_an_unchanged_destination_is_tested_with_the_stored_password(page: Client, relay: SmtpServer) -> None:
    values = filled(relay.typed_settings, description="Now with words", password="")
    page.post(f"/smtp-servers/{relay.pk}", values)
    assert ServerTest.objects.get().secret_id == relay.secret_id


def test_save_is_disabled_with_its_reason_until_a_test_has_passed(page: Client, relay: SmtpServer) -> None:
    page.post(f"/smtp-servers/{relay.pk}/test")
    test = ServerTest.objects.get()
    text = page.get(f"/smtp-tests/{test.pk}").content.decode()
    assert "Save becomes available when all stages have passed." in text
    assert "disabled" in text
    assert page.post(f"/smtp-tests/{test.pk}/save")["Location"] == f"/smtp-tests/{test.pk}"
    relay.refresh_from_db()
    assert not relay.is_verified


def test_saving_a_passed_test_makes_a_verified_default(page: Client, settings_of_relay: ServerSettings) -> None:
    page.post("/smtp-servers/new", filled(settings_of_relay))
    test = passed(ServerTest.objects.get())
    assert "Test passed" in page.get(f"/smtp-tests/{test.pk}").content.decode()
    page.post(f"/smtp-tests/{test.pk}/save", {"make_default": "on"})
    server = SmtpServer.objects.get()
    assert (server.state, server.is_default) == ("verified", True)
    assert "Verified" in page.get("/smtp-servers").content.decode()


def test_save_without_testing_keeps_the_server_out_of_delivery(page: Client, settings_of_relay: ServerSettings) -> None:
    values = filled(settings_of_relay, action="save-untested", reason="firewall opens on Monday")
    assert page.post("/smtp-servers/new", values)["Location"] == "/smtp-servers"
    server = SmtpServer.objects.get()
    assert server.state == "unverified"
    assert not server.takes_deliveries
    assert server.unverified_reason == "firewall opens on Monday"


def test_using_a_server_without_a_test_needs_a_reason(page: Client, settings_of_relay: ServerSettings) -> None:
    values = filled(settings_of_relay, action="save-untested", reason=" ", use_unverified="on")
    answer = page.post("/smtp-servers/new", values)
    assert answer.status_code == 422
    assert "data-pr-open" in answer.content.decode()
    assert not SmtpServer.objects.exists()


def test_the_settings_of_a_failed_test_can_be_saved_from_its_page(page: Client, relay: SmtpServer) -> None:
    page.post(f"/smtp-servers/{relay.pk}/test")
    test = ServerTest.objects.get()
    ServerTest.objects.update(status="failed", finished_at=timezone.now())
    page.post(f"/smtp-tests/{test.pk}/save-untested", {"reason": "later"})
    relay.refresh_from_db()
    assert relay.unverified_reason == "later"


def test_a_server_is_deleted_only_when_its_name_is_typed(page: Client, relay: SmtpServer) -> None:
    assert page.post(f"/smtp-servers/{relay.pk}/delete", {"name": "internal"}).status_code == 422
    assert SmtpServer.objects.exists()
    page.post(f"/smtp-servers/{relay.pk}/delete", {"name": "Internal relay"})
    assert not SmtpServer.objects.exists()


def test_an_unverified_server_cannot_be_the_default_and_the_page_says_why(page: Client, relay: SmtpServer) -> None:
    page.post(f"/smtp-servers/{relay.pk}/default")
    assert "Run a live test first" in page.get("/smtp-servers").content.decode()


def test_switching_off_is_shown_and_recorded(page: Client, relay: SmtpServer) -> None:
    page.post(f"/smtp-servers/{relay.pk}/switch", {"enabled": "no"})
    assert "Switched off" in page.get("/smtp-servers").content.decode()
    assert AuditEntry.objects.filter(action="server.disable", actor="marta@norrvik.example").exists()


def test_an_unchecked_certificate_is_warned_about_in_form_list_and_test(page: Client, relay: SmtpServer) -> None:
    values = filled(relay.typed_settings)
    del values["verify_certificate"]
    page.post(f"/smtp-servers/{relay.pk}", values)
    page.post(f"/smtp-servers/{relay.pk}", {**values, "action": "save-untested", "reason": "lab"})
    assert "Certificate not checked" in page.get("/smtp-servers").content.decode()
    test = ServerTest.objects.get()
    assert "Not checked" in page.get(f"/smtp-tests/{test.pk}").content.decode()
    form = page.get(f"/smtp-servers/{relay.pk}").content.decode()
    assert 'data-pr-verify-warning>' in form


def test_changed_words_are_saved_at_once_and_the_server_stays_verified(page: Client, relay: SmtpServer) -> None:
    relay.verified_fingerprint = relay.typed_settings.fingerprint(relay.secret_id)
    relay.save()
    values = filled(relay.typed_settings, action="save", description="Now with words", password="")
    assert page.post(f"/smtp-servers/{relay.pk}", values)["Location"] == "/smtp-servers"
    relay.refresh_from_db()
    assert relay.typed_settings.description == "Now with words"
    assert relay.state == "verified"


@pytest.mark.parametrize("changes", [{"port": "25"}, {"password": "another"}, {"from_address": "x@norrvik.example"}])
def test_a_changed_connection_is_not_saved_as_if_it_were_words(
    page: Client, relay: SmtpServer, changes: dict[str, str]
) -> None:
    values = filled(relay.typed_settings, **{"action": "save", "password": "", **changes})
    answer = page.post(f"/smtp-servers/{relay.pk}", values)
    assert answer.status_code == 422
    assert "Run the live test" in answer.content.decode()


def test_a_failing_server_shows_its_cause_and_fix_in_the_list(page: Client, relay: SmtpServer) -> None:
    relay.verified_fingerprint = relay.typed_settings.fingerprint(relay.secret_id)
    relay.is_default, relay.failing_since = True, timezone.now()
    relay.failing_finding = {"title": "The sign-in is refused", "explanation": "It worked before.", "fix": ["Ask."]}
    relay.save()
    text = page.get("/smtp-servers").content.decode()
    assert "Failing since" in text
    assert "No mail is lost" in text
    assert "It worked before." in text
    assert "1 server failing" in text
