"""A test of a server over a real socket: stages, facts, the mail that leaves, the closer look after a failure."""

import time
from typing import Any

import pytest
import trustme
from tests.dialogs.player import Dialog, Playing, dialog_of, playing

from postroom.flow.probes.probe import ProbeReport, probe
from postroom.terms.outcome import TestStatus
from postroom.terms.server import Auth, Security, ServerSettings

PASSWORD = "Lantern-Harbour-41"
CA = trustme.CA()
GREETED = """
S: 220 mx.norrvik.example ESMTP
C: EHLO client.example
S: 250-mx.norrvik.example
S: 250 SIZE 1000000
"""
TAKEN = """
C: MAIL FROM:<reports@norrvik.example> SIZE=*
S: 250 2.1.0 Ok
C: RCPT TO:<anna@customer.example>
S: 250 2.1.5 Ok
C: DATA
S: 354 go on
C.
S: 250 2.0.0 queued
C: QUIT
S: 221 bye
"""


def server_context() -> Any:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


async def probed(server: Playing | int, *, send: bool = True, timeout_s: float = 10.0, **values: Any) -> ProbeReport:
    usual: dict[str, Any] = {
        "host": "127.0.0.1", "security": Security.NONE, "from_address": "reports@norrvik.example",
        "test_recipient": "anna@customer.example", "port": server if isinstance(server, int) else server.port,
    }
    settings = ServerSettings(**usual | values)
    password = PASSWORD if settings.auth is Auth.PASSWORD else None
    return await probe(settings, password, send=send, default_ehlo_name="client.example", timeout_s=timeout_s)


def talk(text: str) -> Dialog:
    return dialog_of("probe", text)


def statuses(report: ProbeReport) -> dict[str, str]:
    return {stage["name"]: stage["status"] for stage in report.stages}


async def test_a_healthy_relay_passes_and_the_test_mail_is_the_one_that_left() -> None:
    async with playing(talk(GREETED + TAKEN)) as server:
        report = await probed(server)
    assert report.status is TestStatus.PASSED
    assert report.finding is None
    assert list(statuses(report)) == [
        "resolve", "connect", "greeting", "ehlo", "starttls", "certificate", "authenticate", "sender", "recipient",
        "message",
    ]
    assert statuses(report)["starttls"] == statuses(report)["authenticate"] == "not-needed"
    assert statuses(report)["message"] == "passed"
    assert b"\r\nTo: anna@customer.example\r\n" in server.contents[0]
    assert report.facts["size_limit"] == 1_000_000
    assert all(stage["ms"] >= 0 for stage in report.stages if stage["status"] == "passed")


@pytest.mark.parametrize("size", ["²", "٣٣", "-1", "0x10", "9" * 5_000])
async def test_a_size_that_is_no_number_of_the_standard_is_no_limit_and_ends_no_test(size: str) -> None:
    async with playing(talk(GREETED.replace("1000000", size) + TAKEN.replace(" SIZE=*", "*"))) as server:
        report = await probed(server)
    assert report.facts["size_limit"] is None
    assert statuses(report)["greeting"] == "passed"


async def test_checking_the_connection_sends_no_mail() -> None:
    async with playing(talk(GREETED + "C: QUIT\nS: 221 bye\n")) as server:
        report = await probed(server, send=False)
    assert report.status is TestStatus.PASSED
    assert server.contents == []
    assert statuses(report)["message"] == "not-needed"


async def test_stages_are_told_while_they_run() -> None:
    seen: list[dict[str, str]] = []
    async with playing(talk(GREETED + TAKEN)) as server:
        settings = ServerSettings(
            host="127.0.0.1", port=server.port, security=Security.NONE, from_address="reports@norrvik.example",
            test_recipient="anna@customer.example",
        )
        await probe(
            settings, None, send=True, default_ehlo_name="client.example",
            on_progress=lambda report: seen.append(statuses(report)),
        )
    assert {"greeting": "running", "message": "waiting"}.items() <= next(
        s for s in seen if s["greeting"] == "running"
    ).items()
    assert seen[-1]["message"] == "passed"


async def test_implicit_tls_shakes_hands_before_the_greeting_and_shows_the_certificate() -> None:
    async with playing(talk(GREETED + TAKEN), context=server_context(), implicit_tls=True) as server:
        report = await probed(server, security=Security.TLS, ca_pem=CA.cert_pem.bytes().decode())
    assert report.status is TestStatus.PASSED
    names = list(statuses(report))
    assert names.index("certificate") < names.index("greeting")
    assert report.facts["tls"]["verified"] is True
    assert report.facts["tls"]["version"].startswith("TLS 1.")


async def test_an_unknown_authority_is_named_and_nothing_is_sent() -> None:
    async with playing(talk("S: 220 never heard\n"), context=server_context(), implicit_tls=True) as server:
        report = await probed(server, security=Security.TLS, auth=Auth.PASSWORD, username="reports")
    assert report.finding is not None
    assert report.finding.cause in ("tls-cert-self-signed", "tls-cert-chain-incomplete")
    assert statuses(report)["certificate"] == "failed"
    assert statuses(report)["authenticate"] == "not-reached"
    assert not any("AUTH" in line for line in server.lines)


async def test_a_silent_port_with_tls_behind_it_is_looked_at_and_the_change_proposed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("postroom.terms.limits.TEST_GREETING_TIMEOUT_S", 0.5)
    anything = "S: 220 mx.norrvik.example ESMTP\n" + "C: *\nS: 250 Ok\n" * 5  # EHLO, MAIL, RCPT, RSET, QUIT
    async with playing(talk(anything), context=server_context(), implicit_tls=True) as server:
        trusted = await probed(server, ca_pem=CA.cert_pem.bytes().decode())
        untrusted = await probed(server)
        assert server.contents == []
    assert trusted.finding is not None
    assert untrusted.finding is not None
    assert trusted.finding.cause == untrusted.finding.cause == "greeting-timeout-implicit-tls-port"
    assert trusted.finding.proposal == {"security": "tls"}
    assert untrusted.finding.proposal is None
    assert [line["ok"] for line in trusted.facts["also_tried"] if line["says"][-1]["what"] == "accepts"] == [True]


async def test_plain_smtp_under_tls_is_looked_at_for_starttls() -> None:
    first = "S: 220 mx.norrvik.example ESMTP\n"
    second = first + "C: EHLO *\nS: 250-mx\nS: 250 SIZE 1000\nC: STARTTLS\nS: 502 5.5.1 no\n"
    async with playing(talk(first), talk(second)) as server:
        report = await probed(server, security=Security.TLS)
    assert report.finding is not None
    assert report.finding.cause == "tls-implicit-on-starttls-port"
    assert report.finding.proposal is None
    assert "None" in report.finding.fix[1]


async def test_a_password_that_a_server_echoes_is_nowhere_in_the_report() -> None:
    said = GREETED.replace("250 SIZE 1000000", "250 AUTH PLAIN") + (
        f"C: AUTH PLAIN *\nS: 535 5.7.8 {PASSWORD} is not the password of reports\nC: QUIT\nS: 221 bye\n"
    )
    async with playing(talk(said)) as server:
        report = await probed(server, auth=Auth.PASSWORD, username="reports@norrvik.example")
    assert report.finding is not None
    assert report.finding.cause == "auth-bad-credentials"
    assert PASSWORD not in repr(report)
    assert statuses(report)["authenticate"] == "failed"


async def test_a_password_with_outer_space_is_named() -> None:
    said = GREETED.replace("250 SIZE 1000000", "250 AUTH PLAIN") + "C: AUTH PLAIN *\nS: 535 5.7.8 no\nC: QUIT\n"
    async with playing(talk(said)) as server:
        settings = ServerSettings(
            host="127.0.0.1", port=server.port, security=Security.NONE, auth=Auth.PASSWORD, username="a@b.example",
            from_address="a@b.example", test_recipient="c@d.example",
        )
        report = await probe(settings, PASSWORD + " ", send=True, default_ehlo_name="client.example")
    assert report.finding is not None
    assert report.finding.cause == "space-around-password"


async def test_a_host_field_with_a_scheme_is_proposed_bare_where_that_answers() -> None:
    accepting = GREETED + "C: MAIL FROM:*\nS: 250 Ok\nC: RCPT TO:*\nS: 250 Ok\nC: RSET\nS: 250 Ok\nC: QUIT\nS: 221\n"
    async with playing(talk(accepting)) as server:
        report = await probed(server, host="smtp://127.0.0.1")
    assert report.finding is not None
    assert report.finding.proposal == {"host": "127.0.0.1"}
    assert statuses(report)["resolve"] == "failed"
    nowhere = await probed(server, host="smtp://127.0.0.1")
    assert nowhere.finding is not None
    assert nowhere.finding.proposal is None


async def test_a_closer_look_says_no_credential_and_leaves_no_mail() -> None:
    without_auth = "C: QUIT\nS: 221 bye\n"
    taken_back = "C: MAIL FROM:*\nS: 250 Ok\nC: RCPT TO:*\nS: 250 Ok\nC: RSET\nS: 250 Ok\nC: QUIT\nS: 221 bye\n"
    async with playing(talk(GREETED + without_auth), talk(GREETED + taken_back)) as server:
        report = await probed(server, auth=Auth.PASSWORD, username="reports@norrvik.example")
    assert report.finding is not None
    assert (report.finding.cause, report.finding.proposal) == ("auth-not-needed-by-server", {"auth": "none"})
    assert not any("AUTH" in line or "DATA" in line or line == "reports@norrvik.example" for line in server.lines)
    assert server.contents == []
    assert server.problems == []


async def test_a_closer_look_dials_no_port_outside_the_list() -> None:
    async with playing(talk(GREETED)) as server:
        port = server.port
    settings = ServerSettings(
        host="127.0.0.1", port=port, security=Security.NONE, from_address="a@b.example", test_recipient="c@d.example"
    )
    report = await probe(settings, None, send=True, default_ehlo_name="client.example", ports=(port, 465))
    assert [line["place"] for line in report.facts["also_tried"]] == ["127.0.0.1:465"]


@pytest.mark.parametrize(
    ("field", "cause"),
    [("from_address", "sender-address-malformed"), ("test_recipient", "recipient-address-malformed")],
)
async def test_an_address_that_is_none_is_a_finding_before_anything_is_dialed(field: str, cause: str) -> None:
    async with playing(talk(GREETED)) as server:
        report = await probed(server, **{field: "anna at customer"})
        assert server.connections == 0
    assert report.finding is not None
    assert (report.finding.cause, report.finding.field) == (cause, field)


async def test_a_name_that_no_ehlo_can_carry_is_a_finding() -> None:
    async with playing(talk(GREETED)) as server:
        report = await probed(server, ehlo_name="my machine\r\nMAIL FROM:<x@y>")
    assert report.finding is not None
    assert (report.finding.cause, report.finding.field) == ("helo-name-invalid", "ehlo_name")


async def test_a_server_that_stops_answering_is_explained_within_the_time() -> None:
    began = time.monotonic()
    async with playing(talk("S: 220 mx ESMTP\nC: EHLO *\nsilence\n")) as server:
        report = await probed(server, timeout_s=6.0)
    assert report.finding is not None
    assert report.finding.cause == "no-reply-in-time"
    assert "EHLO" in report.finding.explanation
    assert time.monotonic() - began < 6.5


async def test_a_refused_port_is_explained_in_french_when_asked() -> None:
    async with playing(talk(GREETED)) as server:
        port = server.port
    settings = ServerSettings(
        host="127.0.0.1", port=port, security=Security.NONE, from_address="a@b.example", test_recipient="c@d.example"
    )
    report = await probe(settings, None, send=True, default_ehlo_name="client.example", language="fr")
    assert report.finding is not None
    assert report.finding.cause == "connect-refused-no-listener"
    assert report.finding.title.startswith("Rien n’écoute")
