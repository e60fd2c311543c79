"""Authentication exchanges against independent servers of theirs."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramMechanism

from postroom.smtp.sasl import AuthFault, chosen_mechanism, exchange
from postroom.terms.limits import SCRAM_ITERATIONS

EVERYTHING = ("LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")


def test_plain_is_user_and_password_in_utf8() -> None:
    assert exchange("PLAIN", "jürgen", "pässwort", "n").initial() == "\0jürgen\0pässwort".encode()


def test_login_answers_two_prompts_and_no_third() -> None:
    steps = exchange("LOGIN", "user", "pass", "n")
    assert steps.initial() is None
    assert steps.answer(b"Username:") == b"user"
    assert steps.label == "[user name hidden]"
    assert steps.answer(b"Password:") == b"pass"
    assert steps.label == "[password hidden]"
    with pytest.raises(AuthFault):
        steps.answer(b"And the other one:")


def test_cram_md5_of_the_rfc() -> None:
    steps = exchange("CRAM-MD5", "tim", "tanstaaftanstaaf", "n")
    challenge = base64.b64decode("PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+")
    assert steps.answer(challenge) == b"tim b913a602c7eda7a495b4e6e7334d3890"
    assert hmac.new(b"tanstaaftanstaaf", challenge, hashlib.md5).hexdigest() == "b913a602c7eda7a495b4e6e7334d3890"


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_scram_and_its_server_prove_themselves_to_each_other(name: str) -> None:
    mechanism = ScramMechanism(name)
    secrets = mechanism.make_auth_info("pässwort")
    server = mechanism.make_server(lambda user: secrets if user == "jürgen" else None)
    steps = exchange(name, "jürgen", "pässwort", "fresh-nonce-of-this-test")
    server.set_client_first((steps.initial() or b"").decode())
    final = steps.answer(server.get_server_first().encode())
    assert b"p\xc3" not in final
    server.set_client_final(final.decode())
    assert steps.answer(server.get_server_final().encode()) == b""
    steps.check_success()


def test_scram_refuses_a_server_that_does_not_know_the_password() -> None:
    mechanism = ScramMechanism("SCRAM-SHA-256")
    other = mechanism.make_auth_info("another password")
    server = mechanism.make_server(lambda _user: other)
    steps = exchange("SCRAM-SHA-256", "user", "password", "fresh-nonce-of-this-test")
    server.set_client_first((steps.initial() or b"").decode())
    steps.answer(server.get_server_first().encode())
    with pytest.raises(AuthFault):
        steps.answer(b"v=" + base64.b64encode(b"x" * 32))
    with pytest.raises(AuthFault):
        exchange("SCRAM-SHA-256", "user", "password", "nonce").check_success()


def test_scram_refuses_to_compute_for_ever() -> None:
    steps = exchange("SCRAM-SHA-256", "user", "password", "nonce")
    salt = base64.b64encode(b"s" * 16).decode()
    with pytest.raises(AuthFault, match=str(SCRAM_ITERATIONS)):
        steps.answer(f"r=nonceabc,s={salt},i=4294967295".encode())


@given(st.lists(st.binary(max_size=80) | st.text(max_size=80).map(str.encode), min_size=1, max_size=4))
def test_b12_no_challenge_makes_an_exchange_fail_otherwise_than_as_a_fault(challenges: list[bytes]) -> None:
    for name in EVERYTHING:
        steps = exchange(name, "user", "password", "nonce")
        for challenge in challenges:
            try:
                steps.answer(challenge)
            except AuthFault:
                break


def test_t9_the_best_mechanism_is_chosen_whatever_the_order_of_the_offer() -> None:
    assert chosen_mechanism(EVERYTHING, over_tls=True, plain_allowed=True) == "SCRAM-SHA-256"
    assert chosen_mechanism(["cram-md5", "login", "plain"], over_tls=True, plain_allowed=False) == "PLAIN"
    assert chosen_mechanism(["CRAM-MD5", "PLAIN"], over_tls=False, plain_allowed=True) == "CRAM-MD5"
    assert chosen_mechanism(["GSSAPI"], over_tls=True, plain_allowed=True) is None


def test_t1_plain_mechanisms_need_tls_or_permission() -> None:
    assert chosen_mechanism(["PLAIN", "LOGIN"], over_tls=False, plain_allowed=False) is None
    assert chosen_mechanism(["PLAIN", "LOGIN"], over_tls=False, plain_allowed=True) == "PLAIN"


def test_nul_in_credentials_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="NUL") as refused:
        exchange("PLAIN", "user", "secret\0more", "n")
    assert "secret" not in str(refused.value)


def test_what_saslprep_forbids_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="SCRAM") as refused:
        exchange("SCRAM-SHA-256", "user", "secret\x07", "n")
    assert "secret" not in str(refused.value)
