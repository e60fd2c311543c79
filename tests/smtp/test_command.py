"""Command lines (P3): what could end or extend one is refused before an octet exists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.smtp import command

CONTROLS = st.characters(categories=["Cc"]) | st.sampled_from("\u2028\u2029\r\n\0\x85")


@given(st.text(max_size=10), CONTROLS, st.text(max_size=10))
def test_p3_controls_are_refused_in_every_argument(before: str, control: str, after: str) -> None:
    value = before + control + after
    for line in (command.mail, command.rcpt, command.ehlo, command.auth_answer):
        with pytest.raises(ValueError, match=r"a command|an address|the EHLO name"):
            line(value)


@given(st.text(max_size=60))
def test_p3_whatever_passes_is_one_line(value: str) -> None:
    for line in (command.mail, command.rcpt, command.ehlo):
        try:
            octets = line(value)
        except ValueError:
            continue
        assert octets.count(b"\r\n") == 1
        assert octets.endswith(b"\r\n")


@pytest.mark.parametrize(
    "address", ["a@b> SIZE=1", "a@b>\r\nRSET", "<a@b>", "a b@c", 'a"b@c', '"a"b"@c', '"a\\"> NOTIFY=NEVER', "a@b\\"]
)
def test_p3_an_address_cannot_end_its_path_early(address: str) -> None:
    with pytest.raises(ValueError, match="an address"):
        command.rcpt(address)


def test_a_quoted_local_part_may_hold_what_a_bare_one_may_not() -> None:
    assert command.rcpt('"a> b\\" c"@example.com') == b'RCPT TO:<"a> b\\" c"@example.com>\r\n'


@pytest.mark.parametrize("name", ["", "a b", "exa mple", "[1.2.3.4", "é.example", "a\tb", "a>b"])
def test_p3_an_ehlo_name_is_a_name_or_an_address_literal(name: str) -> None:
    with pytest.raises(ValueError, match="EHLO name"):
        command.ehlo(name)


def test_address_literals_and_names_are_ehlo_names() -> None:
    assert command.ehlo("[IPv6:2001:db8::1]") == b"EHLO [IPv6:2001:db8::1]\r\n"
    assert command.ehlo("mail.example.com") == b"EHLO mail.example.com\r\n"


def test_lines_longer_than_the_limit_are_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        command.rcpt("a" * 2000 + "@example.com")
    with pytest.raises(ValueError, match="longer"):
        command.auth("PLAIN", "A" * 13_000)


def test_an_empty_initial_response_is_an_equals_sign() -> None:
    assert command.auth("EXTERNAL", "") == b"AUTH EXTERNAL =\r\n"
