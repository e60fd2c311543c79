"""The page of a test: every stage from the start, progress only when there is news, the log without credentials."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client
from django.utils import timezone

from postroom.store.models import Delivery, Message, ServerTest, SmtpServer, User
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
    assert "1 passed, " in text


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


def finished(relay: SmtpServer, status: str, **values: Any) -> ServerTest:
    signed_in = {"name": "Second relay", "auth": Auth.PASSWORD, "username": "reports"}
    settings = relay.typed_settings.changed(**(signed_in | values.pop("changed", {})))
    usual = {"sealed_password": "sealed", "finished_at": timezone.now(), "settings": settings.as_json()}
    return ServerTest.objects.create(status=status, created_by="marta@norrvik.example", **(usual | values))


def finding_with(**values: Any) -> dict[str, Any]:
    return {
        "cause": "x", "confidence": "certain", "title": "X.", "explanation": "", "fix": [], "evidence": [],
        "proposal": None, "alternatives": [], **values,
    }


def test_a_change_that_moves_nothing_secret_is_tested_in_one_step(page: Client, relay: SmtpServer) -> None:
    proposal = {"auth": "none"}
    test = finished(relay, "failed", finding=finding_with(proposal=proposal, consequence="No password is used."))
    text = page.get(f"/smtp-tests/{test.pk}").content.decode()
    box = text[text.index('class="pr-proposal"') : text.index("Apply this change and test again")]
    assert "No password is used." in box
    assert "password" not in re.findall(r'name="(\w+)"', box)
    answer = page.post(f"/smtp-tests/{test.pk}/apply")
    new = ServerTest.objects.latest("created_at")
    assert answer["Location"] == f"/smtp-tests/{new.pk}"
    assert new.typed_settings.auth is Auth.NONE
    assert (new.status, new.sealed_password) == ("queued", "")


def test_t4_a_change_of_destination_asks_for_the_password_beside_it_and_says_why(
    page: Client, relay: SmtpServer
) -> None:
    test = finished(relay, "failed", finding=finding_with(proposal={"port": 465, "security": "tls"}))
    text = page.get(f"/smtp-tests/{test.pk}").content.decode()
    box = text[text.index('class="pr-proposal"') : text.index("Apply this change and test again")]
    assert 'name="password"' in box
    assert "a stored password never goes to a changed destination by itself" in box
    refused = page.post(f"/smtp-tests/{test.pk}/apply")
    assert refused.status_code == 422
    assert 'id="e-a-password"' in refused.content.decode()
    assert ServerTest.objects.count() == 1
    page.post(f"/smtp-tests/{test.pk}/apply", {"password": "Lantern-41"})
    new = ServerTest.objects.latest("created_at")
    assert (new.typed_settings.port, str(new.typed_settings.security)) == (465, "tls")
    assert new.sealed_password not in ("", "sealed")
    assert "Lantern-41" not in new.sealed_password


def test_a_change_that_needs_a_sign_in_asks_for_user_name_and_password(page: Client, relay: SmtpServer) -> None:
    proposal = {"port": 587, "security": "starttls", "auth": "password"}
    no_sign_in = {"auth": Auth.NONE, "username": "", "port": 25}
    test = finished(relay, "failed", changed=no_sign_in, sealed_password="", finding=finding_with(proposal=proposal))
    page.post(f"/smtp-tests/{test.pk}/apply", {"username": "reports", "password": "Lantern-41"})
    new = ServerTest.objects.latest("created_at")
    assert (new.typed_settings.username, new.typed_settings.auth) == ("reports", Auth.PASSWORD)


def test_a_refused_sign_in_is_tried_again_from_the_page_of_the_failure(page: Client, relay: SmtpServer) -> None:
    test = finished(relay, "failed", finding=finding_with(field="password"))
    text = page.get(f"/smtp-tests/{test.pk}").content.decode()
    assert "Test again with this sign-in" in text
    page.post(f"/smtp-tests/{test.pk}/again", {"username": "reports2", "password": "Lantern-41"})
    new = ServerTest.objects.latest("created_at")
    assert new.typed_settings.username == "reports2"
    assert new.sealed_password != "sealed"


def test_a_sign_in_that_is_gone_is_asked_for_where_it_can_be_entered(page: Client, relay: SmtpServer) -> None:
    failed = finished(relay, "failed", sealed_password="", finding=finding_with())
    refused = page.post(f"/smtp-tests/{failed.pk}/again")
    assert refused.status_code == 422
    assert 'id="e-s-password"' in refused.content.decode()
    passed = finished(relay, "passed", sealed_password="")
    assert page.post(f"/smtp-tests/{passed.pk}/again")["Location"] == f"/smtp-servers/new?test={passed.pk}"


def test_the_mail_to_a_colleague_holds_the_steps_and_no_credential(page: Client, relay: SmtpServer) -> None:
    finding = finding_with(explanation="It said no.", fix=["Open the admin center."], evidence=["535 5.7.139 no"])
    text = page.get(f"/smtp-tests/{finished(relay, 'failed', finding=finding).pk}").content.decode()
    link = unquote(text[text.index("mailto:") :].split('"')[0])
    assert "1. Open the admin center." in link
    assert "> 535 5.7.139 no" in link
    assert "sealed" not in link


def test_what_was_also_tried_stands_beside_the_stages(page: Client, relay: SmtpServer) -> None:
    tried = [
        {"place": "mail.norrvik.example:465", "ok": True, "says": [{"what": "tls", "values": {}}]},
        {"place": "this-machine", "ok": True, "says": [{"what": "outbound", "values": {"ports": "465"}}]},
    ]
    test = finished(relay, "failed", finding=finding_with(), facts={"also_tried": tried})
    text = page.get(f"/smtp-tests/{test.pk}").content.decode()
    assert "Also tried, without credentials" in text
    assert "SSL/TLS works." in text
    assert "This machine" in text


def test_a_long_reply_is_folded_and_the_line_that_proves_the_cause_is_not(page: Client, relay: SmtpServer) -> None:
    lines = ["  0.1 S: 250-mx", *(f"  0.1 S: 250-X{n}" for n in range(4)), "  0.1 S: 250 OK", "  0.2 S: 535 5.7.8 no"]
    test = finished(relay, "failed", transcript=lines, finding=finding_with(evidence=["535 5.7.8 no"]))
    text = page.get(f"/smtp-tests/{test.pk}").content.decode()
    assert "(and 5 more lines)" in text
    assert "pr-w-proof" in text
    assert "7 lines, credentials hidden" in text


def test_what_somebody_says_of_the_test_mail_is_kept_and_what_to_look_at_is_shown(
    page: Client, relay: SmtpServer
) -> None:
    test = finished(relay, "passed")
    assert "Accepted is not yet delivered." in page.get(f"/smtp-tests/{test.pk}").content.decode()
    page.post(f"/smtp-tests/{test.pk}/arrived", {"arrived": "no"})
    test.refresh_from_db()
    assert test.arrived is False
    assert "quarantine" in page.get(f"/smtp-tests/{test.pk}").content.decode()
    page.post(f"/smtp-tests/{test.pk}/arrived", {"arrived": "yes"})
    assert "It arrived." in page.get(f"/smtp-tests/{test.pk}").content.decode()


def test_nobody_can_say_of_a_failed_test_that_its_mail_arrived(page: Client, relay: SmtpServer) -> None:
    test = finished(relay, "failed")
    page.post(f"/smtp-tests/{test.pk}/arrived", {"arrived": "yes"})
    test.refresh_from_db()
    assert test.arrived is None


def test_saving_sends_the_deferred_mail_of_the_server_only_where_that_is_ticked(
    page: Client, relay: SmtpServer
) -> None:
    now = timezone.now()
    later = now + timedelta(hours=3)
    message = Message.objects.create(
        message_id="<1@x.example>", from_header="a@b.example", subject="s", content_digest="0" * 64, content_size=10,
        created_at=now, expires_at=now + timedelta(days=1), client_name="x",
    )
    delivery = Delivery.objects.create(
        message=message, recipient="c@d.example", server=relay, state="deferred", due_at=later, updated_at=now
    )
    test = finished(relay, "passed", server=relay)
    assert "Retry the 1 deferred delivery now" in page.get(f"/smtp-tests/{test.pk}").content.decode()
    page.post(f"/smtp-tests/{test.pk}/save")
    delivery.refresh_from_db()
    assert delivery.due_at == later
    page.post(f"/smtp-tests/{test.pk}/save", {"retry_waiting": "on"})
    delivery.refresh_from_db()
    assert delivery.due_at <= timezone.now()


def test_what_the_provider_allows_becomes_limits_where_that_is_ticked_and_it_stays_verified(
    page: Client, relay: SmtpServer
) -> None:
    changed = {"host": "smtp.office365.com", "auth": Auth.NONE, "username": ""}
    test = finished(relay, "passed", server=relay, changed=changed, sealed_password="")
    text = page.get(f"/smtp-tests/{test.pk}").content.decode()
    assert "30 messages" in text
    assert "Use these as limits" in text
    page.post(f"/smtp-tests/{test.pk}/save", {"use_limits": "on"})
    relay.refresh_from_db()
    assert relay.typed_settings.limits.messages_per_minute == 30
    assert relay.is_verified
    test.settings = relay.settings
    test.save()
    assert "Use these as limits" not in page.get(f"/smtp-tests/{test.pk}").content.decode()


@pytest.mark.parametrize(
    ("tls", "verdict", "words"),
    [
        ({"version": "TLS 1.3", "verified": True, "key": "RSA 2048"}, "Strong", ""),
        ({"version": "TLS 1.1", "verified": True}, "Weak", "outdated"),
        ({"version": "TLS 1.3", "verified": False}, "Weak", "not checked"),
        ({"version": "TLS 1.2", "verified": True, "key": "RSA 1024"}, "Weak", "too short"),
        (None, "None", "Nothing was encrypted."),
    ],
)
def test_encryption_has_a_verdict_in_words(
    page: Client, relay: SmtpServer, tls: dict[str, Any] | None, verdict: str, words: str
) -> None:
    text = page.get(f"/smtp-tests/{finished(relay, 'passed', facts={'tls': tls}).pk}").content.decode()
    card = text[text.index('id="h-encryption"') : text.index('id="h-allows"')]
    assert verdict in card
    assert words in card


@pytest.mark.parametrize(("status", "spoken", "words"), [
    ("passed", "en", "The sign-in used CRAM-MD5 and nothing was encrypted."),
    ("passed", "fr", "L’identification a utilisé CRAM-MD5 et rien n’a été chiffré."),
    ("failed", "en", "The sign-in used CRAM-MD5 and nothing was encrypted."),
])
def test_a_sign_in_that_hid_nothing_but_the_password_is_warned_about(
    page: Client, relay: SmtpServer, status: str, spoken: str, words: str
) -> None:
    test = finished(relay, status, finding=finding_with(), facts={"tls": None, "mechanism": "CRAM-MD5"})
    text = page.get(f"/smtp-tests/{test.pk}", headers={"Accept-Language": spoken}).content.decode()
    assert text.count(words) == 1
    ServerTest.objects.update(facts={"tls": {"version": "TLS 1.3"}, "mechanism": "CRAM-MD5"})
    text = page.get(f"/smtp-tests/{test.pk}", headers={"Accept-Language": spoken}).content.decode()
    assert words not in text


def test_no_detail_of_a_passed_stage_is_cut_off(page: Client, relay: SmtpServer) -> None:
    reply = "250 2.0.0 Ok: queued as " + "4711ABCD" * 20
    stages = [
        {"name": "resolve", "status": "passed", "ms": 1, "detail": "192.0.2.7, 192.0.2.8, 2001:db8::1"},
        {"name": "greeting", "status": "passed", "ms": 1, "detail": "220 mx.norrvik.example Postfix"},
        {"name": "message", "status": "passed", "ms": 1, "detail": reply},
    ]
    text = page.get(f"/smtp-tests/{finished(relay, 'passed', stages=stages).pk}").content.decode()
    assert "192.0.2.7 and 2 more addresses" in text
    assert "220 Postfix" in text
    assert reply in text


def test_a_result_that_nobody_saved_says_how_long_it_is_kept(page: Client, relay: SmtpServer) -> None:
    unsaved = page.get(f"/smtp-tests/{finished(relay, 'passed').pk}").content.decode()
    assert "Not saved yet. These settings and this result are kept until" in unsaved
    saved = page.get(f"/smtp-tests/{finished(relay, 'passed', server=relay).pk}").content.decode()
    assert "Not saved yet." not in saved


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_may_not_configure_sees_the_proposal_and_no_button_for_it(
    client: Client, relay: SmtpServer, role: str
) -> None:
    test = finished(relay, "failed", finding=finding_with(proposal={"auth": "none"}))
    client.force_login(User.objects.create_user(f"{role}@norrvik.example", password="x" * 12, role=role, name=role))
    text = client.get(f"/smtp-tests/{test.pk}").content.decode()
    assert 'class="pr-proposal"' in text
    assert "Apply this change and test again" not in text
    assert client.post(f"/smtp-tests/{test.pk}/apply").status_code == 403
