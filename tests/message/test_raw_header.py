"""The header of a message that came as octets: what is put in, what stays, what is refused by the field's name."""

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.message.raw_field import RawField, RawProblem, fields_of, is_headless
from postroom.message.raw_header import Marks, OwnFrom, RawHeader, controls_of, rewritten
from postroom.terms.limits import SUBMISSION_TRACE_FIELDS

OWN = OwnFrom(
    b"From: Reports <reports@company.example>\r\n", "Reports <reports@company.example>", "reports@company.example"
)
RECEIVED = b"Received: from client by us;\r\n\tnow\r\n"
DATE = "Sun, 22 Nov 2026 09:30:00 +0000"


def marks(replaces_from: bool = True, subject_prefix: str = "") -> Marks:
    return Marks(RECEIVED, DATE, "<1@company.example>", OWN, replaces_from, subject_prefix)


def made(text: str | bytes, marked: Marks | None = None, is_smtputf8: bool = False) -> RawHeader:
    octets = text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode()
    fields, _ = fields_of(octets + b"\r\n")
    return rewritten(fields, marked or marks(), is_smtputf8)


def values(header: RawHeader, name: str) -> list[str]:
    message = email.message_from_bytes(header.octets + b"\r\n", policy=email.policy.default)
    return [str(value) for value in message.get_all(name, [])]


def test_an_encoded_word_that_can_not_be_decoded_is_shown_as_it_came() -> None:
    assert made("Subject: =?utf-8?b?a?= Sales\n").subject == "=?utf-8?b?a?= Sales"


def test_an_encoded_word_brings_no_control_character() -> None:
    assert made("Subject: =?utf-8?q?a=00b=1B[2J=0D=0ABcc:_x?=\n").subject == "a\ufffdb\ufffd[2J Bcc: x"


def test_an_encoded_word_beyond_all_measure_is_not_decoded() -> None:
    endless = "=?punycode?q?" + "b9a" * 20_000 + "?="
    assert fields_of(f"Subject: {endless}\r\n\r\n".encode())[0][0].text == endless


@pytest.mark.parametrize(("body", "address"), [
    ("b@c.example", "b@c.example"), ("<b@c.example>", "b@c.example"), ("Foo <b@c.example> ", "b@c.example"),
    ('"Bar, \\"Foo\\"; <x@y.example>" <b@c.example>', "b@c.example"),
    ("=?utf-8?q?Andr=C3=A9?= <b@c.example>", "b@c.example"), ("Foo (Sales) <b@c.example>", "b@c.example"),
    ("Foo (Sales, North) <b@c.example>", "b@c.example"), ("Foo (<x@y.example>, z@y) <b@c.example>", "b@c.example"),
    ("=?utf-8?Q?M=C3=BCller,_A?= <b@c.example>", "b@c.example"), ("=?utf-8?q?x@y,(z?= <b@c.example>", "b@c.example"),
    ("Foo, Inc. <b@c.example>", "b@c.example"), ("Reports; nightly <b@c.example>", "b@c.example"),
    ('Foo 5" screen <b@c.example>', "b@c.example"), ('"Foo <b@c.example>', "b@c.example"),
    ("Foo (Sales <b@c.example>", "b@c.example"), ("b@c.example <b@c.example>", "b@c.example"),
    ("ceo@bank.example, Foo <b@c.example>", ""), ("ceo@bank.example; Foo <b@c.example>", ""),
    ("Foo, ceo@bank.example, Bar <b@c.example>", ""), ("(Foo) ceo@bank.example, <b@c.example>", ""),
    ('"Foo, ceo@bank.example, <b@c.example>', ""), ("<ceo@bank.example>, Foo <b@c.example>", ""),
    ("Foo <b@c.example>, ceo@bank.example", ""), ("All: Foo <b@c.example>;", ""), ("a@b.example; b@c.example", ""),
    ("Foo <a@b.example> <b@c.example>", ""), ("", ""),
])
def test_a_field_names_one_address_or_none(body: str, address: str) -> None:
    assert RawField(b"from", f"From: {body}\r\n".encode()).address == address


@pytest.mark.parametrize("piece", ['"', '\\"', "(", "\\(", "()", '"(', "=?", "=?a?q?", "a,", ", =?a?q?b", '"\\', "(\\"])
def test_a_field_without_end_names_no_address_and_is_read_in_one_go(piece: str) -> None:
    for beginning in ("", '"', "("):
        assert not RawField(b"from", f"From: {beginning}{piece * 100_000}@,\r\n".encode()).address


def test_the_servers_from_takes_the_place_of_the_clients_which_becomes_reply_to() -> None:
    header = made("From: App <app@host.example>\nTo: ann@example.org\nSubject: Sales\n")
    assert header.octets.startswith(RECEIVED + OWN.octets)
    assert values(header, "From") == ["Reports <reports@company.example>"]
    assert values(header, "Reply-To") == ["App <app@host.example>"]
    assert (header.from_text, header.from_address, header.subject) == (OWN.text, OWN.address, "Sales")


@pytest.mark.parametrize("given", [
    "From: App <app@host.example>\nReply-To: desk@company.example\n", "From: Reports <reports@company.example>\n",
    "From: root (Cron Daemon)\n", "From: a@example.org, b@example.org\n", "",
])
def test_reply_to_is_made_only_of_one_other_address_where_there_is_none(given: str) -> None:
    expected = ["desk@company.example"] if "Reply" in given else []
    assert values(made(given + "To: a@b.example\n"), "Reply-To") == expected


def test_by_the_policy_client_from_and_sender_stay() -> None:
    text = "From: App <app@host.example>\nSender: relay@host.example\nTo: ann@example.org\n"
    header = made(text, marks(replaces_from=False))
    assert (values(header, "From"), values(header, "Sender")) == (["App <app@host.example>"], ["relay@host.example"])
    assert (header.from_address, header.from_text) == ("app@host.example", "App <app@host.example>")
    assert values(made(text), "Sender") == []
    assert values(made("To: a@b.example\n", marks(replaces_from=False)), "From") == [OWN.text]


def test_m4_bcc_and_what_others_wrote_about_delivery_never_leave() -> None:
    header = made("Bcc: boss@example.org,\n hidden@example.org\nReturn-Path: <x@y.example>\nTo: a@b.example\n")
    assert b"hidden" not in header.octets
    assert b"Return-Path" not in header.octets


def test_m7_a_valid_message_id_and_the_date_stay() -> None:
    header = made("Date: Sat, 21 Nov 2026 08:00:00 +0100\nMessage-ID: <kept@host.example>\nTo: a@b.example\n")
    assert header.message_id == "<kept@host.example>"
    assert values(header, "Message-ID") == ["<kept@host.example>"]
    assert header.octets.count(b"Date:") == 1


@pytest.mark.parametrize("given", ["", "Message-ID: none\n", "Message-ID: <a@b> <c@d>\n", "Message-ID:\n"])
def test_a_missing_or_useless_message_id_is_made_and_so_is_the_date(given: str) -> None:
    header = made(given + "To: a@b.example\n")
    assert values(header, "Message-ID") == ["<1@company.example>"]
    assert values(header, "Date") == [DATE]


def test_without_to_and_cc_nobody_is_told_who_got_it() -> None:
    assert b"To: undisclosed-recipients:;\r\n" in made("Subject: x\n").octets
    assert b"undisclosed" not in made("Cc: a@b.example\n").octets


@pytest.mark.parametrize(("given", "expected"), [
    ("Subject: Sales\n", "[R] Sales"), ("Subject: [R] Sales\n", "[R] Sales"), ("To: a@b.example\n", "[R]"),
    ("Subject: =?utf-8?q?Zo=C3=AB?=\n", "[R] Zoë"), ("Subject: a\n folded one\n", "[R] a folded one"),
])
def test_the_subject_prefix_is_put_before_the_subject_once(given: str, expected: str) -> None:
    header = made(given, marks(subject_prefix="[R]"))
    assert (values(header, "Subject"), header.subject) == ([expected], expected)
    assert header.octets.isascii()


def test_what_nobody_decides_about_stays_octet_for_octet_and_in_order() -> None:
    text = b"X-First: a\r\n\tb  c\r\nTo: a@example.org\r\nContent-Type: text/plain;\r\n charset=utf-8\r\nX-Last : \r\n"
    assert text in made(text).octets


@pytest.mark.parametrize("name", ["From", "To", "Subject", "Date", "Message-ID", "Content-Type", "subject"])
def test_a_field_that_two_readers_could_read_differently_is_refused_by_name(name: str) -> None:
    with pytest.raises(RawProblem, match=r"twice") as refused:
        made(f"{name}: a@b.example\n{name.upper()}: c@d.example\n")
    assert refused.value.field == name.upper()


def test_utf_8_without_smtputf8_is_encoded_as_it_should_have_been() -> None:
    header = made("Subject: Zoë’s figures\nTo: Zoë <zoe@example.org>\nX-Note: é\n")
    assert header.octets.isascii()
    assert not header.needs_smtputf8
    assert (values(header, "Subject"), values(header, "To")) == (["Zoë’s figures"], ["Zoë <zoe@example.org>"])


def test_with_smtputf8_it_stays_and_is_needed_on_the_way() -> None:
    header = made("Subject: Zoë\nTo: zoë@example.org\n", is_smtputf8=True)
    assert "Subject: Zoë\r\n".encode() in header.octets
    assert header.needs_smtputf8


@pytest.mark.parametrize(("octets", "field"), [
    (b"Subject: \xff\r\n", "Subject"), ("To: zoë@example.org\r\n".encode(), "To"),
    ("Content-Type: é\r\n".encode(), "Content-Type"), ("To: Zoë <zoe@example.org\r\n".encode(), "To"),
])
def test_what_can_not_be_encoded_is_refused_by_the_fields_name(octets: bytes, field: str) -> None:
    with pytest.raises(RawProblem) as refused:
        made(octets)
    assert refused.value.field == field


def test_a_from_that_is_no_address_is_refused_where_it_would_leave() -> None:
    with pytest.raises(RawProblem) as refused:
        made("From: root (Cron Daemon)\n", marks(replaces_from=False))
    assert refused.value.field == "From"


def test_a_message_that_goes_in_a_circle_is_refused() -> None:
    trace = "Received: from a by b; now\n"
    assert made(trace * (SUBMISSION_TRACE_FIELDS - 1)).octets.count(b"Received") == SUBMISSION_TRACE_FIELDS
    with pytest.raises(RawProblem):
        made(trace * SUBMISSION_TRACE_FIELDS)


def test_what_is_meant_for_postroom_is_read_and_never_leaves() -> None:
    text = b"Idempotency-Key: k1\r\nX-Postroom-Purpose: alert\r\nTo: a@b.example\r\n"
    fields, _ = fields_of(text + b"\r\n")
    controls = controls_of(fields)
    assert [one.text for one in controls.values()] == ["k1", "alert"]
    octets = made(text).octets
    assert b"k1" not in octets
    assert b"Postroom-Purpose" not in octets
    with pytest.raises(RawProblem):
        controls_of([*fields, RawField(b"idempotency-key", b"Idempotency-Key: k2\r\n")])


@pytest.mark.parametrize(("octets", "names", "body"), [
    (b"A: 1\r\nB: 2\r\n 3\r\n\r\nbody", [b"a", b"b"], b"body"), (b"\r\nbody", [], b"body"), (b"A: 1\r\n", [b"a"], b""),
    (b"Hello there\r\n", [], b"Hello there\r\n"), (b"", [], b""),
])
def test_header_and_body_are_told_apart(octets: bytes, names: list[bytes], body: bytes) -> None:
    fields, at = fields_of(octets)
    assert ([one.name for one in fields], octets[at:]) == (names, body)


def test_a_line_that_is_no_field_is_named_by_its_number() -> None:
    with pytest.raises(RawProblem, match="Line 2"):
        fields_of(b"A: 1\r\nno field\r\n\r\n")
    assert is_headless(b"no field\r\n")
    assert not is_headless(b"A: 1\r\n")


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z-]{1,12}", fullmatch=True), st.text(max_size=30)), max_size=6))
def test_b12_any_header_is_taken_or_refused_and_stays_a_header(pairs: list[tuple[str, str]]) -> None:
    octets = b"".join(f"{name}: {text}\r\n".encode("utf-8", "replace") for name, text in pairs)
    try:
        header = made(octets)
    except RawProblem:
        return
    fields, at = fields_of(header.octets + b"\r\n")
    assert at == len(header.octets) + 2
    assert [one.name for one in fields].count(b"from") == 1
    assert header.octets.isascii()
