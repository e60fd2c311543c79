"""Reading bounces and complaints: those of the servers people have, and any octets at all."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.message.dsn import QUOTED_RECIPIENTS, addresses_of, read_report, status_in
from postroom.message.report import Report, ReportKind, Unrelated

CORPUS = Path(__file__).parent / "bounces"
ANNA = "anna@customer.example"


def octets_of(name: str) -> bytes:
    return (CORPUS / f"{name}.eml").read_bytes().replace(b"\n", b"\r\n")


def report_of(name: str) -> Report:
    report = read_report(octets_of(name))
    assert isinstance(report, Report)
    return report


@pytest.mark.parametrize(
    ("name", "kind", "status", "permanent", "message_id"),
    [
        ("postfix-dsn", ReportKind.FAILED, "5.1.1", True, "<01kabcdefg@reports.example>"),
        ("postfix-delay", ReportKind.DELAYED, "4.4.1", False, "<01kdelayed@reports.example>"),
        ("postfix-text", ReportKind.FAILED, "5.1.1", True, ""),
        ("exchange-online", ReportKind.FAILED, "5.1.10", True, "<01kexchange@reports.example>"),
        ("exchange-old-text", ReportKind.FAILED, "5.1.1", True, ""),
        ("opensmtpd", ReportKind.FAILED, "5.1.1", True, "<01kopensmtpd@reports.example>"),
        ("qmail", ReportKind.FAILED, "5.1.1", True, "<01kqmail@reports.example>"),
        ("exim", ReportKind.FAILED, "5.1.1", True, "<01kexim@reports.example>"),
        ("gmail-old", ReportKind.FAILED, "5.2.1", True, "<01kgmail@reports.example>"),
        ("gmail-delay", ReportKind.DELAYED, "4.7.1", False, ""),
        ("arf", ReportKind.COMPLAINT, "", False, "<01kcomplaint@reports.example>"),
    ],
)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_a_report_of_each_kind_tells_recipient_status_and_message(
    name: str, kind: ReportKind, status: str, permanent: bool, message_id: str, line_end: bytes
) -> None:
    report = read_report(octets_of(name).replace(b"\r\n", line_end))
    assert isinstance(report, Report)
    first = report.recipients[0]
    assert first.recipient.lower() == ANNA
    assert (first.kind, first.status, first.is_permanent) == (kind, status, permanent)
    assert report.message_id == message_id


def test_each_recipient_has_a_result_of_its_own_and_the_returned_message_none() -> None:
    found = {r.recipient: (r.status, r.diagnostic) for r in report_of("postfix-dsn").recipients}
    assert set(found) == {"Anna@customer.example", "ben@customer.example"}
    assert found["ben@customer.example"] == ("5.2.2", "552 5.2.2 Mailbox full")
    assert found["Anna@customer.example"][1].endswith("User unknown in local recipient table")
    assert [r.recipient for r in report_of("qmail").recipients] == [ANNA, "ben@customer.example"]


def test_the_servers_own_words_are_kept_without_their_wrapping() -> None:
    assert report_of("exim").recipients[0].diagnostic == (
        "550-5.1.1 The email account that you tried to reach does not exist. 550 5.1.1 Try another address."
    )
    said = report_of("postfix-text").recipients[0].diagnostic
    assert said.startswith("mx.customer.example[192.0.2.7] said: 550 5.1.1")


@pytest.mark.parametrize("name", ["postfix-dsn", "qmail", "arf"])
def test_our_own_signed_address_is_found_where_systems_leave_it(name: str) -> None:
    assert "bounces+01ktoken@reports.example" in report_of(name).addresses


def test_the_address_of_a_message_that_reports_nothing_is_found_too() -> None:
    assert "bounces+01ktoken@reports.example" in addresses_of(octets_of("out-of-office"))


def test_an_automatic_answer_is_no_bounce() -> None:
    assert read_report(octets_of("out-of-office")) is Unrelated.AUTO_REPLY


def test_what_a_person_writes_about_a_bounce_is_no_bounce() -> None:
    assert read_report(octets_of("person")) is Unrelated.ORDINARY


def test_a_report_that_something_is_no_spam_is_no_complaint() -> None:
    assert read_report(octets_of("arf-not-spam")) is Unrelated.ORDINARY


def test_a_general_status_gives_way_to_a_better_one_of_its_class_in_the_servers_words() -> None:
    assert status_in("550 5.1.1 unknown", "5.0.0") == "5.1.1"
    assert status_in("450 4.2.0 later", "5.0.0") == "5.0.0"
    assert status_in("550 5.7.1 no", "5.1.1") == "5.1.1"
    assert status_in("connect to 10.5.1.1: refused") == ""


def test_b13_parts_ten_thousand_deep_are_read_in_no_time_and_say_nothing() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10_000))
    assert read_report(deep + b"Content-Type: message/delivery-status\r\n\r\nX: y\r\n\r\nAction: failed\r\n") is (
        Unrelated.ORDINARY
    )


def test_b13_a_report_of_a_hundred_thousand_recipients_or_parts_is_cut() -> None:
    block = b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\n\r\n"
    blocks = b"Reporting-MTA: dns; a\r\n\r\n" + block * 10_000
    whole = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    report = read_report(whole + blocks)
    assert isinstance(report, Report)
    assert len(report.recipients) <= 201
    part = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    many = b"Content-Type: multipart/report; boundary=b\r\n\r\n" + part * 10_000
    assert read_report(many) is Unrelated.ORDINARY


def quoting(text: str, recipients: int) -> Report:
    """A report whose server's words stand in its text alone."""
    block = "Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\n\r\n"
    report = read_report((
        "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\n" + text +
        "\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n\r\n" + block * recipients
    ).encode())
    assert isinstance(report, Report)
    return report


def test_b13_words_in_the_text_are_looked_for_so_often_and_no_more() -> None:
    said = [each.diagnostic for each in quoting("a@b.example: 550 5.1.1 No such user\n", 100).recipients]
    assert said == ["550 5.1.1 No such user"] * QUOTED_RECIPIENTS + [""] * (100 - QUOTED_RECIPIENTS)
    flood = "a@b.example\n" * 50 + "a@b.example: 550 5.1.1 No such user\n"
    assert [each.diagnostic for each in quoting(flood, 1).recipients] == [""]


PIECES = st.sampled_from([
    b"Content-Type: multipart/report; boundary=b\r\n", b"Content-Type: message/delivery-status\r\n", b"\r\n",
    b"--b\r\n", b"--b--\r\n", b"Action: failed\r\n", b"Status: 5.1.1\r\n",
    b"Final-Recipient: rfc822; a@b.example\r\n", b"--", b"<", b"From: MAILER-DAEMON\r\n",
    b"<a@b.example>: 550 5.1.1 x", b"Content-Transfer-Encoding: base64\r\n", b" \t", b"\xff",
    b"could not be delivered\n", b"=?utf-8?q?", b"Diagnostic-Code: smtp; 550\r\n",
    b"Content-Type: message/rfc822\r\n", b"Message-ID: <a@b>\r\n", b"Content-Type: message/feedback-report\r\n",
    b"Feedback-Type: abuse\r\n", b"a@b.example\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"=",
    b"; charset=\"\x00\"", b"Content-Type: text/html\r\n",
])


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.lists(PIECES, max_size=40).map(b"".join)))
def test_b12_any_octets_are_a_report_or_none(octets: bytes) -> None:
    found = read_report(octets)
    addresses_of(octets)
    if isinstance(found, Report):
        assert 0 < len(found.recipients) <= 201
        assert all(len(r.diagnostic) <= 1_000 for r in found.recipients)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(path.stem for path in CORPUS.glob("*.eml"))), st.data())
def test_b12_a_report_torn_or_changed_anywhere_is_read_without_a_fault(name: str, data: st.DataObject) -> None:
    octets = octets_of(name)
    start = data.draw(st.integers(0, len(octets)))
    end = data.draw(st.integers(start, min(len(octets), start + 50)))
    read_report(octets[:start] + data.draw(st.binary(max_size=20)) + octets[end:])
    read_report(octets[:start])


@pytest.mark.parametrize("piece", [
    b"<<<<<<<<<", b"a@", b"- ", b"\n", b" ", b"<a@b.example>: ", b"5.1.1", b"(", b"Content-Type: ;a=", b"=\r\n", b"'",
    b"\\\"", b"message-id: <", b"Your message to ", b"a@b.example\n",
])
def test_b12_a_megabyte_of_the_same_piece_reports_little(piece: bytes) -> None:
    body = piece * (1_100_000 // len(piece))
    head = b"From: MAILER-DAEMON\r\nSubject: Undeliverable\r\n"
    status = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    for octets in (head + b"Content-Type: text/plain; x=" + body, head + b"\r\n" + body, head + status + body):
        found = read_report(octets)
        assert isinstance(found, Unrelated) or len(found.recipients) == 1
