"""The page of a test: every stage from the start, progress only when there is news, the log without credentials."""

from typing import Any

from django.test import Client
from django.utils import timezone

from postroom.store.models import ServerTest, SmtpServer
from postroom.terms.server import Auth

PASSED = [{"name": "resolve", "status": "passed", "ms": 24, "detail": "192.0.2.7"}]


def row(server: SmtpServer, **values: Any) -> ServerTest:
    return ServerTest.objects.create(settings=server.settings, created_by="marta@norrvik.example", **values)


def stage_names(text: str) -> list[str]:
    return [part.split('"')[0] for part in text.split('data-pr-stage="')[1:]]


def test_all_ten_stages_are_there_from_the_start(page: Client, relay: SmtpServer) -> None:
    text = page.get(f"/smtp-tests/{row(relay).pk}").content.decode()
    assert stage_names(text) == [
        "resolve", "connect", "greeting", "ehlo", "starttls", "certificate", "authenticate", "sender", "recipient",
        "message",
    ]


def test_with_ssl_tls_encryption_stands_after_connect_and_is_named_so(page: Client, relay: SmtpServer) -> None:
    test = row(relay)
    test.settings = {**relay.settings, "security": "tls", "port": 465}
    test.save()
    text = page.get(f"/smtp-tests/{test.pk}").content.decode()
    assert stage_names(text)[:4] == ["resolve", "connect", "starttls", "certificate"]
    assert '<span class="pr-name">SSL/TLS' in text


def test_progress_answers_nothing_while_there_is_no_news(page: Client, relay: SmtpServer) -> None:
    test = row(relay, status="running", stages=PASSED)
    text = page.get(f"/smtp-tests/{test.pk}").content.decode()
    seen = text.split("/progress?seen=")[1].split('"')[0]
    assert page.get(f"/smtp-tests/{test.pk}/progress?seen={seen}").status_code == 204
    test.stages = [*PASSED, {"name": "connect", "status": "running", "ms": None, "detail": ""}]
    test.save()
    assert page.get(f"/smtp-tests/{test.pk}/progress?seen={seen}").status_code == 200


def test_a_running_test_counts_what_passed_and_not_what_is_not_needed(page: Client, relay: SmtpServer) -> None:
    stages = [*PASSED, {"name": "authenticate", "status": "not-needed", "ms": None, "detail": ""}]
    text = page.get(f"/smtp-tests/{row(relay, status='running', stages=stages).pk}").content.decode()
    assert "1 passed so far." in text


def test_a_running_test_polls_and_a_finished_one_does_not(page: Client, relay: SmtpServer) -> None:
    test = row(relay, status="running")
    assert 'hx-trigger="every 500ms"' in page.get(f"/smtp-tests/{test.pk}").content.decode()
    ServerTest.objects.update(status="stopped", finished_at=timezone.now())
    assert "hx-trigger" not in page.get(f"/smtp-tests/{test.pk}").content.decode()


def test_each_finished_stage_has_a_sentence_to_be_said(page: Client, relay: SmtpServer) -> None:
    text = page.get(f"/smtp-tests/{row(relay, status='running', stages=PASSED).pk}").content.decode()
    assert 'data-pr-said="Resolve name passed after 24 milliseconds."' in text
    assert text.count("data-pr-said") == 1


def test_a_failure_shows_reply_cause_fix_and_what_was_not_reached(page: Client, relay: SmtpServer) -> None:
    finding = {
        "cause": "auth.bad-credentials", "confidence": "certain", "title": "The password is wrong.",
        "explanation": "The server refused the sign-in.", "fix": ["Enter the password again."],
        "evidence": ["535 5.7.8 Error: authentication failed"], "proposal": None, "alternatives": [],
    }
    stages = [*PASSED, {"name": "authenticate", "status": "failed", "ms": 12, "detail": ""}]
    test = row(relay, status="failed", stages=stages, finding=finding, finished_at=timezone.now())
    text = page.get(f"/smtp-tests/{test.pk}").content.decode()
    assert "Test failed at step 7 of 10: Authenticate" in text
    assert "535 5.7.8 Error: authentication failed" in text
    assert ">Cause<" in text
    assert "Most likely cause" not in text
    assert "Enter the password again." in text
    assert text.count(">Not reached<") == 8
    assert "Apply this change" not in text


def test_a_guess_is_called_most_likely_and_a_proposal_is_shown_with_old_and_new(
    page: Client, relay: SmtpServer
) -> None:
    finding = {
        "cause": "x", "confidence": "likely", "title": "A firewall blocks the port.", "explanation": "", "fix": [],
        "evidence": [], "proposal": {"port": 465, "security": "tls"}, "alternatives": [],
    }
    stages = [{"name": "connect", "status": "failed", "ms": 10000, "detail": ""}]
    test = row(relay, status="failed", stages=stages, finding=finding, finished_at=timezone.now())
    text = page.get(f"/smtp-tests/{test.pk}").content.decode()
    assert "Most likely cause" in text
    assert "STARTTLS</s>" in text
    assert "<b>SSL/TLS</b>" in text
    form = page.get(f"/smtp-servers/new?test={test.pk}&apply=1").content.decode()
    assert 'name="port" value="465"' in form


def failed_at(relay: SmtpServer, field: str, proposal: dict[str, object] | None = None) -> ServerTest:
    finding: dict[str, Any] = {
        "cause": "x", "confidence": "likely", "title": "X.", "explanation": "", "fix": [], "evidence": [],
        "field": field, "proposal": proposal, "alternatives": [],
    }
    test = row(relay, status="failed", finding=finding, finished_at=timezone.now())
    test.settings = relay.typed_settings.changed(auth=Auth.PASSWORD, username="reports").as_json()
    test.sealed_password = "sealed"
    test.save()
    return test


def test_after_a_refused_password_the_form_is_ready_to_take_the_right_one(page: Client, relay: SmtpServer) -> None:
    form = page.get(f"/smtp-servers/new?test={failed_at(relay, 'password').pk}").content.decode()
    field = form[form.index('id="f-password"') :].split(">")[0]
    assert "data-pr-focus" in field
    assert "data-pr-replace" not in form
    assert "<span data-pr-keep>Empty keeps the stored one." in form


def test_a_proposal_that_changes_the_destination_asks_for_the_password_before_the_test_does(
    page: Client, relay: SmtpServer
) -> None:
    test = failed_at(relay, "security", {"security": "tls", "port": 465})
    form = page.get(f"/smtp-servers/new?test={test.pk}&apply=1").content.decode()
    field = form[form.index('id="f-password"') :].split(">")[0]
    assert "data-pr-focus" in field
    assert "data-pr-replace" not in form
    assert "<span data-pr-moved>Enter it again: the stored one never goes to changed settings by itself." in form
    unchanged = page.get(f"/smtp-servers/new?test={test.pk}").content.decode()
    assert "data-pr-replace" in unchanged


def test_the_form_of_a_failed_test_leads_to_the_field_at_fault(page: Client, relay: SmtpServer) -> None:
    form = page.get(f"/smtp-servers/new?test={failed_at(relay, 'host').pk}").content.decode()
    assert "data-pr-focus" in form[form.index('id="f-host"') :].split(">")[0]
    assert form.count("data-pr-focus") == 1


def test_labels_stand_for_credentials_in_the_log(page: Client, relay: SmtpServer) -> None:
    lines = ["  0.332 C: AUTH LOGIN [user name hidden]", "  0.362 C: [password hidden]"]
    text = page.get(f"/smtp-tests/{row(relay, transcript=lines).pk}").content.decode()
    assert '<span class="pr-chip">user name hidden</span>' in text
    assert '<span class="pr-chip">password hidden</span>' in text


def test_stopping_asks_the_engine_and_testing_again_makes_a_new_test(page: Client, relay: SmtpServer) -> None:
    page.post(f"/smtp-servers/{relay.pk}/test")
    test = ServerTest.objects.get()
    page.post(f"/smtp-tests/{test.pk}/stop")
    test.refresh_from_db()
    assert test.status == "stopped"
    page.post(f"/smtp-tests/{test.pk}/again")
    assert ServerTest.objects.count() == 2
