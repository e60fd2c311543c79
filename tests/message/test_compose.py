"""What is composed rereads as what was put in, by an independent reader: the standard library's parser."""

import email
import email.policy
import string
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.message.compose import Composed, compose, prefixed_subject
from postroom.message.draft import Attachment, Draft, DraftProblem
from postroom.message.test_mail import Voice, compose_test_mail
from postroom.terms.address import AddressProblem, Mailbox, parse_address, parse_mailbox
from postroom.terms.server import ServerSettings

DATE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SENDER = parse_mailbox("Reports <reports@example.com>")
READER = parse_mailbox("reader@example.net")
BREAKING = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029", "\ud800"]


def composed(**values: object) -> Composed:
    given_values: dict[str, object] = {"from_header": SENDER, "to": (READER,), "text": "Hello", **values}
    return compose(Draft(**given_values), message_id="<id@example.com>", date=DATE, boundary_seed="seed")  # type: ignore[arg-type]


def reread(message: Composed) -> EmailMessage:
    assert b"\r" not in message.content.replace(b"\r\n", b"")
    assert b"\n" not in message.content.replace(b"\r\n", b"")
    assert message.content.endswith(b"\r\n")
    assert max(len(line) for line in message.content.split(b"\r\n")) <= 998
    parsed = email.message_from_bytes(message.content, policy=email.policy.SMTP)
    assert isinstance(parsed, EmailMessage)
    for part in parsed.walk():
        assert part.defects == []
    return parsed


def with_one_line_end(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return lines if not lines or lines.endswith("\n") else lines + "\n"


def text_of(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")


visible = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs", "Cf", "Co", "Cn"))
field_text = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=2500))
@settings(max_examples=150, deadline=None)
def test_any_text_rereads_as_it_was_but_for_line_ends(text: str) -> None:
    assert text_of(reread(composed(text=text))) == with_one_line_end(text)


@given(st.text("ab \t\r\n.=é", max_size=400), st.text("<p>ab \r\n.=é", max_size=400))
@settings(max_examples=150, deadline=None)
def test_text_and_html_reread_as_alternatives(text: str, html: str) -> None:
    message = reread(composed(text=text, html=html))
    plain, page = message.iter_parts()
    assert (plain.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
    assert text_of(plain) == with_one_line_end(text)  # type: ignore[arg-type]
    assert text_of(page) == with_one_line_end(html)  # type: ignore[arg-type]


@given(field_text)
@settings(max_examples=300, deadline=None)
def test_any_subject_rereads_as_it_was(subject: str) -> None:
    assert reread(composed(subject=subject))["Subject"] == subject


@given(st.text(string.printable[:94] + " ", min_size=1, max_size=1500))
@settings(max_examples=150, deadline=None)
def test_any_printable_field_body_rereads_as_it_was(body: str) -> None:
    assert reread(composed(headers=(("X-Report", body),)))["X-Report"] == body


@given(st.text(visible, min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_display_name_rereads_as_it_was(name: str) -> None:
    try:
        message = composed(to=(Mailbox(READER.address, name), READER))
    except DraftProblem:
        assert "=?" in name
        return
    reread(message)
    # The newer policy of Python 3.11 keeps the space between encoded words of a phrase (RFC 2047 section 6.2 drops it).
    raw = email.message_from_bytes(message.content, policy=email.policy.compat32)["To"]
    (first, address), second = getaddresses([raw])
    assert (address, second) == ("reader@example.net", ("", "reader@example.net"))
    assert str(make_header(decode_header(first))) == name


@given(st.binary(max_size=3000), st.text(max_size=260))
@settings(max_examples=150, deadline=None)
def test_an_attachment_arrives_as_its_octets_under_a_harmless_label(content: bytes, file_name: str) -> None:
    message = reread(composed(attachments=(Attachment(file_name, content),)))
    (part,) = message.iter_attachments()
    assert part.get_payload(decode=True) == content
    label = part.get_filename()
    assert label
    assert len(label) <= 200
    assert not set(label) & {"/", "\\", "\0", "\r", "\n", "\u202e", "\u2028"}


@pytest.mark.parametrize(
    "name", ["report.pdf", "Bilanz März 2026.xlsx", 'a"b\\c.txt', "数" * 150 + ".csv", "x" * 190 + ".pdf"]
)
def test_a_file_name_rereads_as_its_label(name: str) -> None:
    (part,) = reread(composed(attachments=(Attachment(name, b"x"),))).iter_attachments()
    assert part.get_filename() == name.rpartition("\\")[2]


@pytest.mark.parametrize("character", BREAKING)
def test_no_field_takes_a_line_end_or_control(character: str) -> None:
    text = f"a{character}Bcc: thief@example.org"
    for values in (
        {"subject": text},
        {"headers": (("X-Report", text),)},
        {"headers": ((text, "body"),)},
        {"headers": (("References", text),)},
        {"from_header": Mailbox(SENDER.address, text)},
        {"to": (Mailbox(READER.address, text),)},
        {"reply_to": (Mailbox(READER.address, text),)},
        {"attachments": (Attachment("a", b"", media_type=f"text/{text}"),)},
        {"attachments": (Attachment("a", b"", content_id=text),)},
    ):
        with pytest.raises(DraftProblem):
            composed(**values)
    with pytest.raises(AddressProblem):
        parse_address(f"a{character}b@example.com")


@pytest.mark.parametrize(
    "name", ["From", "bcc", "Content-Type", "MIME-Version", "Received", "DKIM-Signature", "X Y", "X:Y", "", "é"]
)
def test_reserved_and_malformed_field_names_are_refused_by_name(name: str) -> None:
    with pytest.raises(DraftProblem) as problem:
        composed(headers=((name, "x"),))
    assert problem.value.field == f"headers.{name}"


def test_bcc_is_in_the_envelope_only() -> None:
    message = composed(cc=(parse_mailbox("cc@example.net"),), bcc=(parse_mailbox("Hidden <hidden@example.org>"),))
    assert message.recipients == ("reader@example.net", "cc@example.net", "hidden@example.org")
    assert b"hidden" not in message.content.lower()
    assert b"bcc" not in message.content.lower()


def test_each_recipient_counts_once() -> None:
    assert composed(cc=(READER,), bcc=(READER,)).recipients == ("reader@example.net",)


def test_a_message_to_bcc_only_names_nobody() -> None:
    assert reread(composed(to=(), bcc=(READER,)))["To"] == "undisclosed-recipients:;"


def test_the_text_part_is_made_from_html() -> None:
    plain, page = reread(
        composed(text=None, html="<h1>Sales</h1><p style='margin:99999999em'>Up by <b>3 %</b></p>")
    ).iter_parts()
    assert text_of(plain).split() == ["Sales", "Up", "by", "3", "%"]  # type: ignore[arg-type]
    assert page.get_content_type() == "text/html"


def test_an_inline_picture_stands_beside_its_page_and_files_outside() -> None:
    message = reread(
        composed(
            html='<img src="cid:logo">',
            attachments=(
                Attachment("logo.png", b"\x89PNG", content_id="logo", inline=True),
                Attachment("data.csv", b"a,b", media_type="text/csv; charset=utf-8"),
            ),
        )
    )
    shape = [part.get_content_type() for part in message.walk()]
    assert shape == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "text/csv",
    ]
    picture = list(message.walk())[5]
    assert picture["Content-ID"] == "<logo>"
    assert picture.get_content_disposition() == "inline"


def test_only_an_address_makes_smtputf8_necessary() -> None:
    plain = composed(subject="Grüße", text="Grüße", to=(parse_mailbox("Jürgen <j@bücher.example>"),))
    assert (plain.needs_8bit, plain.needs_smtputf8) == (False, False)
    assert plain.recipients == ("j@xn--bcher-kva.example",)
    international = composed(to=(parse_mailbox("jürgen@example.com"),))
    assert (international.needs_8bit, international.needs_smtputf8) == (True, True)


def test_the_same_draft_gives_the_same_bytes() -> None:
    assert composed(html="<p>x</p>").content == composed(html="<p>x</p>").content


def test_a_thousand_recipients_fold_into_short_lines() -> None:
    message = composed(to=tuple(parse_mailbox(f"Reader {n} <r{n}@example.net>") for n in range(1000)))
    assert len(reread(message)["To"].addresses) == 1000
    assert max(len(line) for line in message.content.split(b"\r\n")) <= 78


def test_the_test_mail_comes_from_the_server_s_own_settings() -> None:
    server = ServerSettings(
        name="Büro",
        host="mx.example",
        from_name="Postroom, Tests",
        from_address="p@example.com",
        test_recipient="admin@example.com",
        subject_prefix="[Test]",
    )
    message = compose_test_mail(server, message_id="<t@example.com>", date=DATE)
    parsed = reread(message)
    assert parsed["Subject"] == "[Test] Postroom test message"
    assert parsed["From"].addresses[0].display_name == "Postroom, Tests"
    assert message.recipients == ("admin@example.com",)
    assert "mx.example, port 587" in text_of(parsed.get_body(("plain",)))  # type: ignore[arg-type]


def test_the_test_mail_speaks_with_the_voice_of_who_asked_for_it() -> None:
    french = {"{site} test message": "Message de test de {site}", "Sent by {site} at {url}": "De {site} à {url}"}
    server = ServerSettings(name="x", host="mx.example", from_address="p@example.com", test_recipient="a@example.com")
    voice = Voice("fr", lambda pattern: french.get(pattern, pattern), "Norrvik", "https://mail.norrvik.example")
    parsed = reread(compose_test_mail(server, message_id="<t@example.com>", date=DATE, voice=voice))
    assert parsed["Subject"] == "Message de test de Norrvik"
    page = parsed.get_body(("html",))
    assert page is not None
    assert '<html lang="fr">' in page.get_content()
    assert "De Norrvik à https://mail.norrvik.example" in page.get_content()


@pytest.mark.parametrize(
    ("prefix", "subject", "expected"),
    [("[P]", "Sales", "[P] Sales"), ("[P]", "[P] Sales", "[P] Sales"), ("", "Sales", "Sales"), ("[P] ", "", "[P]")],
)
def test_a_subject_carries_its_prefix_once(prefix: str, subject: str, expected: str) -> None:
    assert prefixed_subject(prefix, subject) == expected
