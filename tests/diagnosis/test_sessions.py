"""What a session showed leads to its cause, category by category."""

from datetime import UTC, datetime

import pytest
from tests.diagnosis.events import (
    SETTINGS,
    WITH_LOGIN,
    certificate,
    faulted,
    finding,
    greeted,
    refused,
    resolved,
    stopped,
    unconnected,
    unsent,
    unshaken,
    untrusted,
)

from postroom.diagnosis.detour_plan import detours_for
from postroom.diagnosis.explain import finding_of, finding_of_delivery
from postroom.diagnosis.session_evidence import evidence_of, failed_stage
from postroom.smtp.trace import Event, ReplyReceived, StageEnded
from postroom.terms.envelope import RecipientResult
from postroom.terms.finding import Confidence
from postroom.terms.outcome import Outcome, Retry, Stage
from postroom.terms.server import Security, ServerSettings

PRIVATE = certificate(1, subject="CN=Norrvik Root", issuer="CN=Norrvik Root", is_ca=True, self_signed=True)
ISRG = "CN=ISRG Root X1,O=Internet Security Research Group"
PUBLIC = certificate(1, subject="CN=R11,O=Let's Encrypt", issuer=ISRG, is_ca=True)
TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
AVAST = certificate(issuer="CN=Avast Web/Mail Shield Root,O=Avast")
NAMED = "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org"[4:]


SESSIONS: list[tuple[list[Event], str]] = [
    (resolved("nxdomain"), "dns-name-not-found"),
    (resolved("no-address"), "host-name-without-address"),
    (resolved("temporary"), "dns-temporary-failure-container"),
    (unconnected(("192.0.2.1", "refused")), "connect-refused-no-listener"),
    (unconnected(("192.0.2.1", "timeout")), "submission-port-blocked"),
    (unconnected(("2001:db8::1", "unreachable")), "ipv6-unreachable"),
    (unconnected(("2001:db8::1", "unreachable"), ("192.0.2.1", "timeout")), "submission-port-blocked"),
    (unconnected(("192.0.2.1", "unreachable")), "no-route-to-host"),
    (unconnected(("192.0.2.1", "denied")), "local-security-policy-blocks-connect"),
    (unconnected(("192.0.2.1", "not-allowed")), "address-not-allowed"),
    (faulted(Stage.GREETING, "closed"), "closed-before-greeting"),
    (faulted(Stage.GREETING, "timeout"), "no-greeting"),
    (faulted(Stage.GREETING, "timeout", "", b"220 m"), "no-reply-in-time"),
    (faulted(Stage.GREETING, "malformed", "", b"SSH-2.0-OpenSSH_9.2\r\n"), "ssh-on-port"),
    (faulted(Stage.GREETING, "malformed", "", b"* OK IMAP4rev1 ready\r\n"), "imap-on-port"),
    (faulted(Stage.GREETING, "malformed", "", b"+OK ready\r\n"), "pop3-on-port"),
    (faulted(Stage.GREETING, "malformed", "", b"HTTP/1.1 400 Bad Request\r\n"), "http-on-port"),
    (faulted(Stage.GREETING, "malformed", "", TLS_ALERT), "greeting-timeout-implicit-tls-port"),
    (faulted(Stage.EHLO, "endless"), "endless-reply"),
    (faulted(Stage.EHLO, "closed"), "connection-lost"),
    (faulted(Stage.EHLO, "timeout"), "no-reply-in-time"),
    (faulted(Stage.EHLO, "malformed", "", b"what"), "malformed-reply"),
    (refused(Stage.GREETING, 554, "5.7.1 Access denied"), "greeting-554-ip-blocked"),
    (refused(Stage.GREETING, 554, NAMED), "greeting-554-ip-blocked"),
    (refused(Stage.GREETING, 421, "too many connections from 192.0.2.7"), "too-many-connections-from-client"),
    (refused(Stage.GREETING, 421, "service not available"), "server-unavailable-or-network-path"),
    (refused(Stage.EHLO, 504, "5.5.2 <box>: need fully-qualified hostname"), "helo-name-invalid"),
    (stopped(Stage.STARTTLS, "starttls-not-offered"), "starttls-not-offered"),
    (refused(Stage.STARTTLS, 454, "4.7.0 TLS not available due to local problem"), "starttls-server-tls-broken"),
    (refused(Stage.STARTTLS, 502, "5.5.1 command refused"), "starttls-refused"),
    (faulted(Stage.STARTTLS, "injection", "", b"250 ok\r\n"), "starttls-injection"),
    (unshaken("protocol-version", "unsupported protocol"), "tls-protocol-version-mismatch"),
    (unshaken("no-cipher", "sslv3 alert handshake failure"), "tls-weak-key-or-cipher"),
    (unshaken("alert", "tlsv13 alert certificate required"), "tls-client-certificate-required"),
    (unshaken("closed"), "starttls-server-tls-broken"),
    (untrusted(10, "certificate has expired"), "tls-cert-expired"),
    (untrusted(9, "certificate is not yet valid"), "tls-cert-not-yet-valid"),
    (untrusted(18, "self-signed certificate"), "tls-cert-self-signed"),
    (untrusted(19, "self-signed certificate in certificate chain", certificate(), PRIVATE), "tls-cert-self-signed"),
    (untrusted(20, "unable to get local issuer certificate"), "tls-cert-chain-incomplete"),
    (untrusted(20, "unable to get local issuer", certificate(), PUBLIC), "tls-ca-bundle-missing"),
    (untrusted(20, "unable to get local issuer", AVAST, PRIVATE), "tls-interception-av-or-proxy"),
    (untrusted(62, "hostname mismatch"), "tls-cert-name-mismatch"),
    (untrusted(66, "EE certificate key too weak"), "tls-weak-key-or-cipher"),
    (untrusted(23, "certificate revoked"), "tls-cert-rejected"),
    (refused(Stage.AUTHENTICATE, 535, "5.7.8 Error: authentication failed"), "auth-bad-credentials"),
    (refused(Stage.AUTHENTICATE, 454, "4.7.0 Temporary authentication failure"), "auth-server-backend-failure"),
    (refused(Stage.AUTHENTICATE, 535, "5.7.8 Error: password has expired"), "auth-password-expired"),
    (refused(Stage.AUTHENTICATE, 535, "5.7.0 account locked"), "auth-account-locked"),
    (refused(Stage.AUTHENTICATE, 504, "5.7.4 Unrecognized authentication type"), "auth-mechanism-mismatch"),
    (faulted(Stage.AUTHENTICATE, "closed"), "auth-connection-dropped"),
    (stopped(Stage.AUTHENTICATE, "auth-needs-tls"), "auth-without-encryption"),
]


@pytest.mark.parametrize(
    ("issuer", "confidence"), [("CN=R11,O=Let's Encrypt", Confidence.CERTAIN), ("CN=Norrvik CA", Confidence.LIKELY)]
)
def test_a_certificate_without_its_issuer_is_an_incomplete_chain_for_certain_only_where_the_issuer_is_public(
    issuer: str, confidence: Confidence
) -> None:
    found = finding(untrusted(20, "unable to get local issuer certificate", certificate(issuer=issuer)))
    assert (found.cause, found.confidence) == ("tls-cert-chain-incomplete", confidence)
    assert bool(found.alternatives) is (confidence is Confidence.LIKELY)


@pytest.mark.parametrize(("events", "cause"), SESSIONS)
def test_a_failed_session_has_its_cause(events: list[Event], cause: str) -> None:
    assert finding(events).cause == cause


@pytest.mark.parametrize(
    ("stage", "code", "line", "cause", "retry"),
    [
        (Stage.SENDER, 530, "5.7.0 Must issue a STARTTLS command first", "starttls-required-not-used", "after"),
        (Stage.SENDER, 450, "4.1.8 Sender address rejected: Domain not found", "sender-domain-not-found", "after"),
        (Stage.SENDER, 501, "5.1.7 Bad sender address syntax", "sender-address-malformed", "after"),
        (Stage.SENDER, 452, "4.3.1 Insufficient system storage", "server-storage-shortage", "transient"),
        (Stage.SENDER, 552, "5.3.4 Message size exceeds fixed limit", "message-too-large", "after"),
        (Stage.SENDER, 550, "5.7.1 Message rejected by content policy", "sender-refused-by-policy", "after"),
        (Stage.RECIPIENT, 550, "5.1.1 User unknown", "recipient-unknown", "permanent"),
        (Stage.RECIPIENT, 550, "5.7.1 We do not relay", "relay-denied", "after"),
        (Stage.RECIPIENT, 553, "5.7.1 Sender address rejected: not owned by user a@b.example",
         "sender-not-owned-by-login", "after"),
        (Stage.RECIPIENT, 450, "4.2.0 Greylisted, come back in 300 seconds", "recipient-greylisted", "transient"),
        (Stage.RECIPIENT, 452, "4.2.2 Mailbox full", "recipient-mailbox-full", "transient"),
        (Stage.RECIPIENT, 452, "4.5.3 Too many recipients", "too-many-recipients", "after"),
        (Stage.RECIPIENT, 550, "5.7.25 no PTR record", "ptr-or-helo-mismatch", "after"),
        (Stage.RECIPIENT, 554, NAMED, "client-ip-on-blocklist", "after"),
        (Stage.RECIPIENT, 450, "4.7.1 not now", "recipient-deferred", "transient"),
        (Stage.RECIPIENT, 550, "5.7.1 not wanted", "recipient-refused", "permanent"),
        (Stage.MESSAGE, 554, "5.7.1 Spam message rejected", "content-spam-rejected", "after"),
        (Stage.MESSAGE, 554, "5.7.1 virus Eicar found", "content-virus-rejected", "permanent"),
        (Stage.MESSAGE, 550, "5.7.26 domain's DMARC policy", "dmarc-reject", "after"),
        (Stage.MESSAGE, 550, "5.7.23 SPF check failed", "spf-fail", "after"),
        (Stage.MESSAGE, 550, "5.7.26 authenticate with SPF or DKIM", "sender-unauthenticated-spf-dkim", "after"),
        (Stage.MESSAGE, 454, "Maximum sending rate exceeded.", "sending-rate-exceeded", "transient"),
        (Stage.MESSAGE, 550, "5.4.5 Daily user sending limit exceeded", "daily-sending-quota-exceeded", "transient"),
        (Stage.MESSAGE, 432, "4.3.2 Concurrent connections limit exceeded", "concurrent-submission-limit", "transient"),
        (Stage.MESSAGE, 550, "5.6.11 BareLinefeedsAreIllegal", "bare-lf-or-long-line", "after"),
        (Stage.MESSAGE, 554, "5.6.0 Message has no valid From header", "header-noncompliant", "after"),
        (Stage.MESSAGE, 451, "4.3.5 Server configuration problem", "server-local-config-error", "after"),
        (Stage.MESSAGE, 554, "Transaction failed", "message-refused-by-policy", "after"),
        (Stage.MESSAGE, 451, "please wait", "message-deferred", "transient"),
    ],
)
def test_a_refused_transaction_has_its_cause(stage: Stage, code: int, line: str, cause: str, retry: str) -> None:
    found = finding([], WITH_LOGIN, unsent(stage, code, line))
    assert (found.cause, found.retry.split("-")[0]) == (cause, retry)


def test_a_test_and_a_delivery_of_the_same_failure_give_the_same_finding() -> None:
    for stage, code, line in (
        (Stage.RECIPIENT, 550, "5.1.1 User unknown"),
        (Stage.SENDER, 530, "5.7.0 Authentication required"),
        (Stage.MESSAGE, 554, "5.7.1 Spam message rejected"),
    ):
        result = unsent(stage, code, line)
        assert finding_of_delivery([], WITH_LOGIN, result) == finding([], WITH_LOGIN, result)


@pytest.mark.parametrize("events", [events for events, _ in SESSIONS])
def test_a_session_that_failed_for_a_delivery_gives_the_finding_of_a_test(events: list[Event]) -> None:
    stage = failed_stage(events)
    assert stage is not None
    said = next((e.reply for e in events if isinstance(e, ReplyReceived)), None)
    reason = next(e.detail for e in reversed(events) if isinstance(e, StageEnded))
    result = RecipientResult("", Outcome.DEFERRED, stage, said, reason)
    assert finding_of_delivery(events, WITH_LOGIN, result) == finding(events)


@pytest.mark.parametrize(
    ("host", "cause", "way"),
    [
        ("mail.norrvik.example ", "space-in-host", ("mail.norrvik.example", 587)),
        ("smtps://mail.norrvik.example:465/", "dns-name-not-found", ("mail.norrvik.example", 465)),
        ("mail.norrvik.example:2525", "dns-name-not-found", ("mail.norrvik.example", 2525)),
        ("mail.norrvik.example.", "dot-after-host", ("mail.norrvik.example", 587)),
        ("reports@norrvik.example", "mail-address-in-host", None),
        ("mail.norrvik,example", "dns-name-not-found", None),
        ("", "host-empty", None),
    ],
)
def test_a_host_field_that_holds_more_than_a_name_is_looked_at_as_what_was_meant(
    host: str, cause: str, way: tuple[str, int] | None
) -> None:
    settings = SETTINGS.changed(host=host)
    evidence = evidence_of(stopped(Stage.RESOLVE, "host-invalid"), settings)
    found = finding_of(evidence)
    assert (found.cause, found.proposal, found.field) == (cause, None, "host")
    assert [(d.host, d.port) for d in detours_for(cause, evidence, settings)] == ([way] if way else [])


def test_a_login_that_needs_starttls_first_is_told_so() -> None:
    events = [*greeted("mail.norrvik.example ESMTP", "STARTTLS"), *stopped(Stage.AUTHENTICATE, "auth-not-offered")]
    found = finding(events, WITH_LOGIN.changed(security=Security.NONE))
    assert found.cause == "auth-not-offered-without-tls"


def test_a_server_with_no_login_at_all_is_taken_for_a_relay_and_the_other_candidate_is_asked_about() -> None:
    events = [*greeted("relay ESMTP", "SIZE 1000"), *stopped(Stage.AUTHENTICATE, "auth-not-offered")]
    found = finding(events)
    assert found.cause == "auth-not-needed-by-server"
    assert found.confidence is Confidence.LIKELY
    assert len(found.alternatives) == 1
    assert found.alternatives[0].question.endswith("?")


def test_only_oauth_mechanisms_are_told_from_a_wrong_password() -> None:
    offered = greeted("mail ESMTP", "AUTH XOAUTH2 OAUTHBEARER", over_tls=True)
    found = finding([*offered, *stopped(Stage.AUTHENTICATE, "no-mechanism")])
    assert found.cause == "auth-only-oauth-offered"
    assert "XOAUTH2" in found.explanation


def test_a_password_with_outer_space_is_named_when_the_login_fails_and_only_then() -> None:
    events = refused(Stage.AUTHENTICATE, 535, "5.7.8 Error: authentication failed")
    assert finding(events, secret_facts=("password-has-outer-space",)).cause == "space-around-password"
    unknown_user = unsent(Stage.RECIPIENT, 550, "5.1.1 User unknown")
    found = finding([], WITH_LOGIN, unknown_user, secret_facts=("password-has-outer-space",))
    assert found.cause == "recipient-unknown"


@pytest.mark.parametrize(
    ("greeting", "line", "cause", "words"),
    [
        ("x.prod.outlook.com Microsoft ESMTP", "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is "
         "disabled for the Tenant.", "auth-smtp-auth-disabled", "Set-CASMailbox"),
        ("x.prod.outlook.com Microsoft ESMTP", "5.7.139 Authentication unsuccessful, basic authentication is disabled.",
         "auth-basic-auth-disabled", "OAuth2"),
        ("smtp.gmail.com ESMTP - gsmtp", "5.7.8 Username and Password not accepted.", "auth-app-password-required",
         "app password"),
        ("email-smtp.amazonaws.com ESMTP SimpleEmailService", "Authentication Credentials Invalid",
         "auth-wrong-credential-kind", "IAM"),
        ("mail.example ESMTP", "5.7.8 Username and Password not accepted.", "auth-bad-credentials", "password"),
        ("mail.example Python SMTP 1.4.6", "5.7.8 Authentication credentials invalid", "auth-bad-credentials",
         "password"),
    ],
)
def test_the_provider_decides_between_causes_of_a_refused_login(
    greeting: str, line: str, cause: str, words: str
) -> None:
    found = finding([*greeted(greeting, "AUTH LOGIN"), *refused(Stage.AUTHENTICATE, 535, line)])
    assert found.cause == cause
    assert words in " ".join((found.title, found.explanation, *found.fix))


def test_a_bad_login_at_another_server_than_the_public_one_meant_is_an_interception() -> None:
    events = [
        *greeted("s12.hosting.example ESMTP Exim 4.96", "AUTH PLAIN LOGIN"),
        *refused(Stage.AUTHENTICATE, 535, "Incorrect authentication data"),
    ]
    assert finding(events, WITH_LOGIN.changed(host="smtp.gmail.com")).cause == "hosting-intercepts-outbound-smtp"
    assert finding(events).cause == "auth-bad-credentials"


def test_a_public_provider_with_somebody_elses_certificate_or_greeting_is_an_interception() -> None:
    mismatch = untrusted(62, "hostname mismatch", certificate(names=("s12.hosting.example",)))
    found = finding(mismatch, WITH_LOGIN.changed(host="smtp.gmail.com"))
    assert found.cause == "hosting-intercepts-outbound-smtp"
    assert found.alternatives[0].cause == "tls-cert-name-mismatch"
    events = [*greeted("s12.hosting.example ESMTP", "AUTH PLAIN"), *refused(Stage.AUTHENTICATE, 535, "5.7.8 no")]
    assert finding(events, WITH_LOGIN.changed(host="smtp.gmail.com")).cause == "hosting-intercepts-outbound-smtp"


def test_a_public_provider_with_a_private_authority_is_an_interception() -> None:
    events = untrusted(19, "self-signed certificate in certificate chain", certificate(), PRIVATE)
    assert finding(events, WITH_LOGIN.changed(host="smtp.office365.com")).cause == "tls-interception-av-or-proxy"


def test_a_name_mismatch_names_the_names_and_proposes_none_without_a_look() -> None:
    found = finding(untrusted(62, "hostname mismatch", certificate(names=("shared7.hosting.example",))))
    assert "shared7.hosting.example" in found.explanation
    assert found.proposal is None


def test_an_expired_certificate_tells_until_when_it_was_valid() -> None:
    ended = certificate(ends=datetime(2026, 11, 12, tzinfo=UTC))
    assert "2026-11-12" in finding(untrusted(10, "certificate has expired", ended)).explanation


def test_a_connection_lost_after_the_final_dot_is_not_called_a_refusal() -> None:
    lost = RecipientResult("anna@customer.example", Outcome.UNCERTAIN, Stage.MESSAGE, None, "connection closed")
    found = finding(faulted(Stage.MESSAGE, "closed", "connection closed"), WITH_LOGIN, lost)
    assert found.cause == "closed-after-message"
    assert "without saying whether" in found.explanation
    assert found.retry is Retry.TRANSIENT


def test_an_unverified_recipient_is_told_from_an_unverified_sender() -> None:
    said = "Message rejected: Email address is not verified. The following identities failed the check: "
    to = finding([], WITH_LOGIN, unsent(Stage.MESSAGE, 554, said + "anna@customer.example"))
    assert to.cause == "sandbox-recipient-unverified"
    sender = finding([], WITH_LOGIN, unsent(Stage.MESSAGE, 554, said + "reports@norrvik.example"))
    assert sender.cause == "sender-identity-unverified"


def test_relaying_refused_to_a_login_does_not_ask_for_a_login() -> None:
    events: list[Event] = [StageEnded(1.0, Stage.AUTHENTICATE, True)]
    found = finding(events, WITH_LOGIN, unsent(Stage.RECIPIENT, 550, "5.7.1 relaying denied"))
    assert found.cause == "relay-denied"
    assert "login succeeded" in found.explanation


def test_the_servers_words_are_quoted_escaped_and_bounded() -> None:
    hostile = "5.7.1 \x1b[2J\x07 <script> \u202e" + "x" * 5_000
    found = finding([], WITH_LOGIN, unsent(Stage.SENDER, 550, hostile))
    shown = " ".join(found.evidence)
    assert "<script>" in shown
    assert not any(ord(c) < 32 or c == "\u202e" for c in shown)
    assert max(map(len, found.evidence)) <= 300


def test_hostile_names_in_a_certificate_are_escaped_in_the_explanation() -> None:
    hostile = certificate(names=("a\x1b[31m{host}.example",), issuer="CN={username}\x07")
    found = finding(untrusted(62, "hostname mismatch", hostile))
    assert "\x1b" not in found.explanation
    assert "{host}" in found.explanation, "a name from outside is never read as a placeholder"


def test_a_failure_that_says_nothing_is_unknown_with_its_evidence() -> None:
    found = finding([StageEnded(1.0, Stage.CONNECT, False, "odd")], ServerSettings(host="mail.example"))
    assert found.cause == "unknown"
    assert found.confidence is Confidence.LIKELY
