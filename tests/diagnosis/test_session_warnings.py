"""What works and is unwise is said: a sign-in that hides the password while nothing else is hidden."""

import pytest

from postroom.diagnosis.session_warnings import warnings_in

TLS = {"version": "TLSv1.3"}


@pytest.mark.parametrize(
    ("mechanism", "code"),
    [
        ("CRAM-MD5", "cram-md5-without-tls"), ("SCRAM-SHA-1", "scram-without-tls"),
        ("SCRAM-SHA-256", "scram-without-tls"),
    ],
)
@pytest.mark.parametrize(("language", "said"), [("en", "nothing was encrypted"), ("fr", "rien n’a été chiffré")])
def test_a_sign_in_without_tls_that_hides_only_the_password_is_warned_about(
    mechanism: str, code: str, language: str, said: str
) -> None:
    (warning,) = warnings_in({"mechanism": mechanism, "tls": None}, language)
    assert (warning["field"], warning["code"]) == ("security", code)
    assert mechanism in warning["text"]
    assert said in warning["text"]


@pytest.mark.parametrize(
    "facts", [{}, {"mechanism": None, "tls": None}, {"mechanism": "CRAM-MD5", "tls": TLS},
              {"mechanism": "SCRAM-SHA-256", "tls": TLS}, {"mechanism": "PLAIN", "tls": None}],
)
def test_an_encrypted_session_one_without_sign_in_and_a_plain_one_are_not(facts: dict[str, object]) -> None:
    assert warnings_in(facts, "en") == []
