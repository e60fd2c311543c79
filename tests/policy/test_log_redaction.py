"""What of a log is taken out before it is mailed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.policy.log_redaction import BEGINNING_CHARACTERS, ENDING_CHARACTERS, LINE_CHARACTERS, redacted

SECRET = "hunter2-Canary"


@pytest.mark.parametrize(
    "line",
    [
        f"password={SECRET}", f"DB_PASSWORD: {SECRET}", f'{{"smtp.password": "{SECRET}", "port": 25}}',
        f"api_key => '{SECRET}'", f"Authorization: Bearer {SECRET}", f"curl -H 'Authorization: Basic {SECRET}' x",
        f"GET https://ann:{SECRET}@reports.example/x", f"psql postgresql://u:{SECRET}@db/x",
        f"--password {SECRET} --go",
        f"mysql --db-password={SECRET}", f"client_secret={SECRET}&x=1", f"token: pr_{SECRET}aaaaaaaaaaaaaaaaaa",
        f"using pr_{SECRET}aaaaaaaaaaaaaaaaaa now", f"passphrase = {SECRET}; next",
    ],
)
def test_what_looks_like_a_secret_is_removed(line: str) -> None:
    told = redacted(f"before\n{line}\nafter\n")
    assert SECRET not in told
    assert told.startswith("before\n")
    assert told.endswith("\nafter\n")


def test_a_private_key_is_removed_with_all_its_lines() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEcanary\nAAAA\n-----END RSA PRIVATE KEY-----"
    assert redacted(f"one\n{key}\ntwo") == "one\n[removed] (a private key)\ntwo\n"


@pytest.mark.parametrize("line", ["12 rows written in 3 s", "the password was wrong", "token expired at 12:00", "a\tb"])
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert redacted(line) == f"{line}\n"


def test_a_long_log_keeps_its_beginning_and_its_end() -> None:
    log = "".join(f"line {number}\n" for number in range(100_000))
    told = redacted(log)
    assert told.startswith("line 0\nline 1\n")
    assert told.endswith("line 99999\n")
    assert "characters left out" in told
    assert len(told) < BEGINNING_CHARACTERS + ENDING_CHARACTERS + 100


def test_controls_do_not_reach_a_terminal() -> None:
    assert "\x1b" not in redacted("\x1b[31mred\x07")


@given(st.text(st.sampled_from("passwordtoken=:\"' -@/.\n\x1bAuthorization"), max_size=400))
def test_b12_any_text_is_redacted_without_an_error_and_twice_changes_nothing(text: str) -> None:
    once = redacted(text)
    assert redacted(once).count("[removed]") >= once.count("[removed]")


def test_b12_a_line_without_an_end_costs_no_more_than_its_length() -> None:
    told = redacted("password" * 500_000)
    assert len(told) <= BEGINNING_CHARACTERS + ENDING_CHARACTERS + LINE_CHARACTERS
