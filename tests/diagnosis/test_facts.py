"""What a session or a look established leads to its cause, fact by fact; the least that each rule asks for."""

from typing import Any

import pytest

from postroom.diagnosis.evidence import Evidence, Known
from postroom.diagnosis.explain import finding_of
from postroom.terms.outcome import Stage

PLAIN = Known(security="none", username_given=False)
MICROSOFT = Known(host="example-com.mail.protection.outlook.com", port=25, username_given=True)


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"stage": Stage.AUTHENTICATE, "symptoms": {"username-has-outer-space"}, "codes": {535}},
         "space-around-username"),
        ({"symptoms": {"auth-needs-tls", "starttls-offered"}}, "auth-without-encryption"),
        ({"symptoms": {"starttls-offered"}, "codes": {530}, "known": PLAIN}, "starttls-required-not-used"),
        ({"stage": Stage.AUTHENTICATE, "symptoms": {"auth-not-offered"}, "known": MICROSOFT},
         "auth-not-needed-by-server"),
        ({"stage": Stage.AUTHENTICATE, "codes": {504}, "symptoms": {"refused-by-reply"}}, "auth-mechanism-mismatch"),
        ({"stage": Stage.AUTHENTICATE, "codes": {535}, "provider": "microsoft365",
          "text": "5.7.3 authentication unsuccessful"}, "auth-smtp-auth-disabled"),
        ({"stage": Stage.AUTHENTICATE, "codes": {535}, "symptoms": {"username-lacks-domain"}}, "auth-bad-credentials"),
        ({"stage": Stage.AUTHENTICATE, "codes": {550}, "symptoms": {"refused-by-reply"}}, "auth-refused"),
        ({"stage": Stage.GREETING, "codes": {421}, "text": "192.0.2.1 blocked"}, "greeting-554-ip-blocked"),
        ({"stage": Stage.EHLO, "codes": {501}, "symptoms": {"refused-by-reply"}}, "helo-name-invalid"),
        ({"stage": Stage.SENDER, "codes": {555}}, "sender-address-malformed"),
        ({"stage": Stage.RECIPIENT, "codes": {556}, "enhanced": {"5.1.10"}}, "dns-recipient-domain-no-mx"),
        ({"symptoms": {"needs-8bitmime"}}, "eightbit-needed"),
        ({"stage": Stage.STARTTLS, "codes": {454}, "symptoms": {"refused-by-reply"}}, "starttls-server-tls-broken"),
        ({"codes": {451}, "enhanced": {"4.3.0"}}, "server-local-config-error"),
        ({"symptoms": {"connect-timeout", "other-ports-answer"}}, "submission-port-blocked"),
        ({"stage": Stage.CONNECT, "symptoms": {"connect-reset"}}, "server-unavailable-or-network-path"),
        ({"symptoms": {"cert-no-issuer", "authority-sent"}}, "tls-cert-self-signed"),
        ({"symptoms": {"cert-no-issuer", "leaf-alone"}}, "tls-cert-chain-incomplete"),
        ({"stage": Stage.STARTTLS, "symptoms": {"tls-closed", "says-nothing"}}, "closed-before-greeting"),
        ({"stage": Stage.GREETING, "codes": {550}, "symptoms": {"refused-by-reply"}}, "greeting-refused"),
        ({"text": "host mx.example.com[192.0.2.1] said: 554 5.7.1 relay access denied", "codes": {554}},
         "mail-loop-or-routing"),
    ],
)
def test_the_facts_lead_to_their_cause(facts: dict[str, Any], cause: str) -> None:
    sets = {name: frozenset(value) if isinstance(value, set) else value for name, value in facts.items()}
    assert finding_of(Evidence(**sets)).cause == cause
