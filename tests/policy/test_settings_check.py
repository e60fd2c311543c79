"""Settings are checked before anything is tested or saved; every problem names field and remedy."""

import pytest

from postroom.policy.ports import Ports
from postroom.policy.settings_check import problems_of, warnings_of
from postroom.terms.server import Auth, Limits, Security, ServerSettings

GOOD = ServerSettings(
    name="Internal relay", from_address="reports@company.example", host="relay.company.example", port=25,
    security=Security.NONE,
)


def found(settings: ServerSettings, *, password_given: bool = False) -> dict[str, str]:
    problems = problems_of(settings, password_given=password_given, allowed_ports=Ports())
    assert all(problem.text for problem in problems)
    return {problem.field: problem.code for problem in problems}


def test_a_refused_port_comes_with_the_whole_value_that_allows_it_beside_the_others() -> None:
    [problem] = problems_of(GOOD.changed(port=1025), password_given=False, allowed_ports=Ports.parse("25, 587"))
    assert "POSTROOM_SMTP_PORTS=25,587,1025" in problem.text


def test_an_anonymous_relay_needs_name_sender_host_and_port_only() -> None:
    assert found(GOOD) == {}


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"name": " "}, "name", "required"),
        ({"name": "a\nb"}, "name", "control"),
        ({"description": "x" * 501}, "description", "too-long"),
        ({"from_name": "Reports\r\nBcc: x@example.org"}, "from_name", "control"),
        ({"subject_prefix": "[a]\u2028"}, "subject_prefix", "control"),
        ({"from_address": ""}, "from_address", "required"),
        ({"from_address": "reports@company"}, "from_address", "address"),
        ({"test_recipient": "nobody"}, "test_recipient", "address"),
        ({"host": "https://relay.company.example"}, "host", "scheme"),
        ({"host": "relay company"}, "host", "space"),
        ({"port": 0}, "port", "range"),
        ({"port": 80}, "port", "not-allowed"),
        ({"auth": Auth.PASSWORD}, "username", "required"),
        ({"auth": Auth.PASSWORD, "username": "u"}, "password", "required"),
        ({"ehlo_name": "https://x"}, "ehlo_name", "invalid"),
        ({"ca_pem": "no certificate"}, "ca_pem", "invalid"),
        ({"limits": Limits(connections=0)}, "limits.connections", "range"),
    ],
)
def test_a_bad_value_is_refused_with_its_field(changes: dict[str, object], field: str, code: str) -> None:
    assert found(GOOD.changed(**changes))[field] == code


def test_a_port_inside_the_host_field_is_offered_as_port() -> None:
    (problem,) = problems_of(
        GOOD.changed(host="relay.company.example:587"), password_given=False, allowed_ports=Ports()
    )
    assert problem.suggestion == {"host": "relay.company.example", "port": 587}


@pytest.mark.parametrize(
    ("port", "security", "suggestion"),
    [
        (465, Security.STARTTLS, {"security": "tls"}),
        (587, Security.NONE, {"security": "starttls"}),
        (25, Security.TLS, {"security": "none"}),
    ],
)
def test_an_unusual_port_warns_and_does_not_block(port: int, security: Security, suggestion: dict[str, str]) -> None:
    settings = GOOD.changed(port=port, security=security)
    assert found(settings) == {}
    assert [warning.suggestion for warning in warnings_of(settings)] == [suggestion]


def test_usual_combinations_do_not_warn() -> None:
    for port, security in ((25, Security.NONE), (25, Security.STARTTLS), (587, Security.STARTTLS), (465, Security.TLS)):
        assert warnings_of(GOOD.changed(port=port, security=security)) == []


def test_an_unchecked_certificate_is_visible() -> None:
    settings = GOOD.changed(security=Security.STARTTLS, verify_certificate=False)
    assert "unchecked-certificate" in [warning.code for warning in warnings_of(settings)]


@pytest.mark.parametrize("text", ["", "x", "0", "70000", "20-10", "1-2-3", "-5"])
def test_a_port_list_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|1 to 65535"):
        Ports.parse(text)


def test_a_port_list_takes_ports_and_ranges() -> None:
    ports = Ports.parse("25, 465,10000-10010")
    assert 25 in ports
    assert 10_005 in ports
    assert 26 not in ports
    assert str(ports) == "25, 465, 10000-10010"
