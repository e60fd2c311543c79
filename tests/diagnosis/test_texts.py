"""What programs print leads to its cause; what has nothing to do with mail leads nowhere."""

import itertools
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.diagnosis.text import finding_of_text

SUBMISSION = {"host": "mail.norrvik.example", "port": 587, "security": "starttls", "username_given": True}
PLAIN = {"host": "relay.norrvik.example", "port": 25, "security": "none", "username_given": False}
REFUSED = "dial tcp 192.0.2.10:587: connect: connection refused"


@pytest.mark.parametrize(
    ("text", "config", "cause"),
    [
        ("socket.gaierror: [Errno -2] Name or service not known", SUBMISSION, "dns-name-not-found"),
        ("java.net.UnknownHostException: mial.norrvik.example", SUBMISSION, "dns-name-not-found"),
        ("lookup mail: Temporary failure in name resolution", SUBMISSION, "dns-temporary-failure-container"),
        (REFUSED, SUBMISSION, "connect-refused-no-listener"),
        ("connect ECONNREFUSED 127.0.0.1:587", SUBMISSION, "config-not-applied-default-localhost"),
        ("TimeoutError: [Errno 110] Connection timed out", SUBMISSION, "submission-port-blocked"),
        ("connect to relay[192.0.2.1]:25: Connection timed out", PLAIN, "port-25-blocked"),
        ("connect to 2001:db8::25 port 587: Network is unreachable", SUBMISSION, "ipv6-unreachable"),
        ("stream_socket_client(): Permission denied (13)", SUBMISSION, "local-security-policy-blocks-connect"),
        ("ssl.SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number", {**SUBMISSION, "security": "tls"},
         "tls-implicit-on-starttls-port"),
        ("Error: Greeting never received", {**SUBMISSION, "port": 465, "security": "none"},
         "greeting-timeout-implicit-tls-port"),
        ("STARTTLS extension not supported by server.", {**PLAIN, "security": "starttls"}, "starttls-not-offered"),
        ("x509: certificate has expired or is not yet valid", SUBMISSION, "tls-cert-expired"),
        ("DEPTH_ZERO_SELF_SIGNED_CERT", SUBMISSION, "tls-cert-self-signed"),
        ("unable to verify the first certificate", SUBMISSION, "tls-cert-chain-incomplete"),
        ("x509: certificate is valid for shared7.hosting.example, not mail.norrvik.example", SUBMISSION,
         "tls-cert-name-mismatch"),
        ("routines:tls_process_ske_dhe:dh key too small", SUBMISSION, "tls-weak-key-or-cipher"),
        ("remote error: tls: protocol version not supported", SUBMISSION, "tls-protocol-version-mismatch"),
        ("smtplib.SMTPAuthenticationError: (535, b'5.7.8 Error: authentication failed')", SUBMISSION,
         "auth-bad-credentials"),
        ("534-5.7.9 Application-specific password required.", {**SUBMISSION, "host": "smtp.gmail.com"},
         "auth-app-password-required"),
        ("5.7.57 Client not authenticated to send mail. Error: 535 5.7.139 Authentication unsuccessful, "
         "SmtpClientAuthentication is disabled for the Mailbox.", {**SUBMISSION, "host": "smtp.office365.com"},
         "auth-smtp-auth-disabled"),
        ("SMTP AUTH extension not supported by server.", {**SUBMISSION, "security": "none"},
         "auth-not-offered-without-tls"),
        ("530 5.7.0 Authentication Required", {**SUBMISSION, "username_given": False}, "auth-credentials-missing"),
        ("NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 554 5.7.1 <a@b.example>: Relay access denied", PLAIN,
         "relay-denied"),
        ("host mx.b.example[192.0.2.3] said: 550 5.1.1 <a@b.example>: Recipient address rejected: User unknown", PLAIN,
         "recipient-unknown"),
        ("Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 "
         "Mailbox full", None, "recipient-mailbox-full"),
        ("status=deferred (delivery temporarily suspended: Host or domain name not found. Name service error for "
         "name=b.example type=MX: Host not found)", None, "dns-recipient-domain-no-mx"),
        ("535 5.7.8 Authentication credentials invalid", None, "auth-bad-credentials"),
        ("535 Incorrect authentication data", None, "auth-bad-credentials"),
        ("(535, b'Authentication Credentials Invalid')", None, "auth-wrong-credential-kind"),
        ("503 Service Unavailable", None, "unknown"),
        ("status=bounced (mail for b.example loops back to myself)", None, "mail-loop-or-routing"),
        ("451 4.7.1 Greylisting in action, please come back later", None, "recipient-greylisted"),
        ("552 5.3.4 Message size exceeds fixed limit", None, "message-too-large"),
        ("'ascii' codec can't encode character in address: SMTPUTF8 required", None, "smtputf8-needed"),
        ("220 **************************", None, "firewall-banner-rewrite"),
        ("every mail goes to spam although there is no error", None, "accepted-then-junk-or-lost"),
        ("250 2.0.0 OK, but the mail never arrives", None, "accepted-then-junk-or-lost"),
        ("read timed out after DATA, and the mail arrives nevertheless", SUBMISSION, "client-timeout-too-short"),
        ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", None,
         "sender-not-owned-by-login"),
    ],
)
def test_the_words_of_a_program_lead_to_their_cause(text: str, config: dict[str, Any] | None, cause: str) -> None:
    assert finding_of_text(text, config).cause == cause


# Sentences that have nothing to do with a failure of mail: subjects, verbs and ends of daily life and other programs.
SUBJECTS = (
    "The quarterly report", "Our new colleague", "A black cat", "The build of the website", "Version 2.4 of the editor",
    "The train to Lyon", "My grandmother", "The printer on floor three", "The database migration", "Nobody",
)
VERBS = ("finished", "enjoyed", "found", "likes", "will paint")
ENDS = ("the long afternoon.", "seven red apples.", "what was promised on Tuesday.", "an index on column seven.")


def test_two_hundred_unrelated_texts_have_no_cause() -> None:
    texts = [" ".join(words) for words in itertools.product(SUBJECTS, VERBS, ENDS)]
    assert len(texts) == 200
    named = {text: cause for text in texts if (cause := finding_of_text(text).cause) != "unknown"}
    assert named == {}


@pytest.mark.parametrize(
    "text",
    [
        "fatal: not a git repository (or any of the parent directories): .git",
        "psql: error: FATAL: password authentication failed for user \"reports\"",
        "ERROR 1045 (28000): Access denied for user 'root'@'localhost' (using password: YES)",
        "HTTP 429 Too Many Requests",
        "500 Internal Server Error",
        "ssh: connect to host build7 port 22: Connection refused",
        "curl: (60) SSL certificate problem: certificate has expired",
        "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
        "ModuleNotFoundError: No module named 'dns'",
        "Out of memory: Killed process 1234 (python)",
        "No space left on device",
        "Upgraded the database from 5.7.26 to 8.0.36",
        "The invoice 535 of 5 July is attached",
        "spam and eggs for breakfast",
        "He is not authorized to send the letter",
        "user unknown artist",
    ],
)
def test_a_failure_of_something_else_has_no_cause(text: str) -> None:
    assert finding_of_text(text).cause == "unknown"


def test_an_empty_text_is_unknown_without_evidence() -> None:
    found = finding_of_text("")
    assert (found.cause, found.evidence) == ("unknown", ())


@given(st.binary(max_size=5_000), st.booleans())
def test_arbitrary_octets_are_explained_without_raising_or_control_characters(octets: bytes, configured: bool) -> None:
    found = finding_of_text(octets.decode("utf-8", "replace"), SUBMISSION if configured else None)
    whole = "\n".join((found.title, found.explanation, *found.fix, *found.evidence))
    assert not any(ord(c) < 32 and c != "\n" for c in whole)


@given(st.dictionaries(
    st.sampled_from(["host", "port", "security", "username_given", "other"]),
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2),
))
@settings(max_examples=200)
def test_a_configuration_of_any_shape_is_read_without_raising(config: dict[str, Any]) -> None:
    assert finding_of_text(REFUSED, config).cause


@pytest.mark.parametrize("unit", ["a", "5.7.8 ", "550 ", "<a@b.c>: ", "x509: ", "not ", "\x00", "*", "host a said: "])
def test_a_mebibyte_of_anything_is_explained_in_well_under_a_second(unit: str) -> None:
    text = unit * (1_048_576 // len(unit))
    began = time.process_time()
    finding_of_text(text, SUBMISSION, "python")
    assert time.process_time() - began < 1.5


def test_what_is_known_twice_is_told_in_french_too() -> None:
    english, french = finding_of_text(REFUSED), finding_of_text(REFUSED, language="fr")
    assert english.cause == french.cause
    assert english.title != french.title
    assert "port" in french.explanation
