"""The submission door as a process: who may send, what becomes of a message, and what a client hears."""

import base64
import json
import os
import smtplib
import socket
import time
from collections.abc import Iterator

import pytest
from tests.outbox import rows
from tests.rig.submission import Submission, add_token, serving, trusting

# The migrated schema is copied from the test database.
pytestmark = pytest.mark.django_db
MAIL = b"From: App <app@host.example>\r\nTo: ann@example.org\r\nSubject: Sales\r\n\r\nUp by 3 %\r\n"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Submission]:  # noqa: ARG001
    with serving(tmp_path_factory.mktemp("submission") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Submission]:  # noqa: ARG001
    data = tmp_path_factory.mktemp("trusted") / "data"
    with serving(data, POSTROOM_SUBMISSION_TRUST="127.0.0.0/8") as running:
        yield running


def test_a_signed_in_program_hands_over_for_everybody_in_its_envelope(door: Submission) -> None:
    before = len(door.recipients())
    with door.signed_in() as client:
        client.sendmail("app@host.example", ["ann@example.org", "bob@example.org"], MAIL)
    assert door.recipients()[before:] == ["ann@example.org", "bob@example.org"]
    last = door.messages("client_name, from_header, reverse_path, subject")[-1]
    assert last == ("Report server", "Reports <reports@company.example>", "reports@company.example", "Sales")
    assert door.last_content().endswith(b"\r\n\r\nUp by 3 %\r\n")


def test_tls_from_the_first_octet(door: Submission) -> None:
    before = len(door.messages())
    with smtplib.SMTP_SSL("127.0.0.1", door.tls_port, context=trusting(), timeout=30) as client:
        client.login("app", door.token)
        client.sendmail("app@host.example", ["ann@example.org"], MAIL)
    assert len(door.messages()) == before + 1
    assert b"with ESMTPSA id" in door.last_content()


@pytest.mark.parametrize("scope", ["read", "revoked", "wrong", "digest"])
def test_a_password_that_is_no_live_token_of_scope_send_is_refused(door: Submission, scope: str) -> None:
    token = add_token(door.database, scope, "read" if scope == "read" else "send")
    if scope == "revoked":
        rows(door.database, "UPDATE store_apitoken SET revoked_at = '2026-11-22 09:00:00' WHERE name = 'revoked'")
    elif scope == "wrong":
        token = token[:-1] + ("A" if token[-1] != "A" else "B")
    elif scope == "digest":
        [(token,)] = rows(door.database, "SELECT digest FROM store_apitoken WHERE name = 'digest'")
    with door.client() as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login("app", token)
    assert refused.value.smtp_code == 535


def test_without_a_sign_in_nobody_is_served(door: Submission) -> None:
    with door.client() as client:
        client.mail("app@host.example")
        assert client.rcpt("ann@example.org")[0] == 530


def test_a_token_that_is_revoked_sends_nothing_from_the_next_second_on(door: Submission) -> None:
    token = add_token(door.database, "short-lived")
    with door.client() as client:
        client.login("app", token)
        client.sendmail("a@b.example", ["ann@example.org"], MAIL)
        rows(door.database, "UPDATE store_apitoken SET revoked_at = '2026-11-22 09:00:00' WHERE name = 'short-lived'")
        time.sleep(1)
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@b.example", ["ann@example.org"], MAIL)
    assert refused.value.smtp_code == 554


def test_the_use_of_a_token_is_noted(door: Submission) -> None:
    with door.signed_in() as client:
        client.sendmail("a@b.example", ["ann@example.org"], MAIL)
    [(used,)] = rows(door.database, "SELECT last_used_at FROM store_apitoken WHERE name = 'Report server'")
    assert used is not None


def test_a_large_message_is_a_file_and_comes_out_as_it_went_in(door: Submission) -> None:
    body = b"".join(base64.b64encode(os.urandom(57)) + b"\r\n" for _ in range(30_000)) + b".dot\r\n..\r\n"
    with door.signed_in() as client:
        client.sendmail("a@b.example", ["ann@example.org"], MAIL + body)
    assert door.last_content().endswith(b"\r\n\r\nUp by 3 %\r\n" + body)


def test_u4_a_message_under_the_same_key_is_accepted_once(door: Submission) -> None:
    keyed = b"Idempotency-Key: sales-2026-11\r\n" + MAIL
    with door.signed_in() as client:
        before = len(door.messages())
        client.mail("a@b.example")
        answers = []
        for octets in (keyed, keyed, keyed + b"more\r\n"):
            client.rset()
            client.mail("a@b.example")
            client.rcpt("ann@example.org")
            answers.append(client.data(octets))
    assert answers[0] == answers[1]
    assert (answers[0][0], answers[2][0]) == (250, 554)
    assert len(door.messages()) == before + 1


@pytest.mark.parametrize(("octets", "said"), [
    (b"Subject: a\r\nSubject: b\r\n\r\n", b"Subject: This field is there twice"),
    (b"X-Postroom-Purpose: spam\r\n\r\n", b"X-Postroom-Purpose:"), (b"A: b\r\nno field\r\n\r\n", b"Line 2"),
])
def test_a_message_that_can_not_be_taken_hears_the_field_at_fault(door: Submission, octets: bytes, said: bytes) -> None:
    with door.signed_in() as client:
        client.mail("a@b.example")
        client.rcpt("ann@example.org")
        code, text = client.data(octets)
    assert (code, text.startswith(b"5.6.0 " + said)) == (554, True)


def test_trusted_networks_submit_as_the_client_local_which_is_no_bearer(trusted: Submission) -> None:
    with trusted.client() as client:
        client.sendmail("a@b.example", ["ann@example.org"], MAIL)
    assert trusted.messages("client_name")[-1] == ("local",)
    [token] = rows(trusted.database, "SELECT name, scope FROM store_apitoken WHERE digest = 'local'")
    assert token == ("local", "send")
    with trusted.client() as client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.login("local", "local")


def test_a_revoked_local_client_is_refused_until_it_is_trusted_again(trusted: Submission) -> None:
    rows(trusted.database, "UPDATE store_apitoken SET revoked_at = '2026-11-22 09:00:00' WHERE digest = 'local'")
    time.sleep(1)
    with trusted.client() as client, pytest.raises(smtplib.SMTPDataError):
        client.sendmail("a@b.example", ["ann@example.org"], MAIL)
    from tests.rig.installation import Installation

    assert Installation(trusted.data).command("token", "trust-local").returncode == 0
    with trusted.client() as client:
        client.sendmail("a@b.example", ["ann@example.org"], MAIL)
    assert Installation(trusted.data).command("token", "trust-local").returncode == 1


def test_u3_what_was_ended_is_in_the_queue_although_the_client_has_gone(trusted: Submission) -> None:
    before = len(trusted.messages())
    for number in range(20):
        with socket.create_connection(("127.0.0.1", trusted.port)) as sock:
            sock.recv(500)
            sock.sendall(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n")
            while b"354" not in sock.recv(4_000):
                pass
            sock.sendall(b"Subject: gone %d\r\n\r\nkept\r\n.\r\n" % number)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    deadline = time.monotonic() + 10
    while len(trusted.messages()) < before + 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert {subject for _, subject in trusted.messages()[before:]} == {f"gone {n}" for n in range(20)}


def test_p1_smuggled_mail_reaches_nobody(trusted: Submission) -> None:
    before = len(trusted.messages())
    for end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r"):
        with socket.create_connection(("127.0.0.1", trusted.port)) as sock:
            sock.sendall(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n")
            sock.sendall(b"Subject: first\r\n\r\nbody" + end)
            sock.sendall(b"MAIL FROM:<admin@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: no\r\n\r\n.\r\n")
            said = b""
            while piece := sock.recv(4_000):
                said += piece
        assert b"\r\n550 5.6.11 " in said
    assert len(trusted.messages()) == before


def test_the_door_notes_the_certificate_that_it_shows(door: Submission) -> None:
    deadline = time.monotonic() + 10
    noted_by_it = "SELECT value FROM store_instancevalue WHERE name LIKE 'door_certificate:%'"
    while not (found := rows(door.database, noted_by_it)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    noted = json.loads(found[0][0])
    assert noted["is_own"] is True
    assert noted["expires_at"] == noted["filed_until"] > "2030"
