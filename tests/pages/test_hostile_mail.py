"""A caught message is a stranger's: whatever it declares, its page opens and says what can be said."""

import pytest
from django.test import Client

from postroom.flow.acceptance.catch import caught

CHARSETS = ("hex", "rot13", "idna", "undefined", "unknown-999", "utf-7", "punycode", '"utf-8\0x"')


def part(kind: str, charset: str) -> bytes:
    return f"Content-Type: {kind}; charset={charset}\r\n\r\n".encode() + b"Hello \xff\r\n"


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_a_charset_that_reads_nothing_hides_no_message(page: Client, kind: str, charset: str) -> None:
    message = caught("a@example.com", ["b@example.com"], part(kind, charset))
    assert page.get(f"/sandbox/{message.pk}").status_code == 200


def test_a_subject_that_can_not_be_decoded_is_listed_as_it_came(page: Client) -> None:
    message = caught("a@example.com", ["b@example.com"], b"Subject: =?utf-8?b?a?=\r\n\r\nx\r\n")
    assert message.subject == "=?utf-8?b?a?="
    assert page.get(f"/sandbox/{message.pk}").status_code == 200


def test_text_that_no_page_can_carry_is_replaced(page: Client) -> None:
    content = b"Content-Type: text/plain; charset=unicode_escape\r\n\r\nbefore \\ud800 after\r\n"
    message = caught("a@example.com", ["b@example.com"], content)
    assert "before ? after" in page.get(f"/sandbox/{message.pk}").content.decode()


@pytest.mark.parametrize(
    "level", [b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n", b"Content-Type: message/rfc822\r\n\r\n"]
)
def test_b13_a_message_of_endless_nesting_still_opens(page: Client, level: bytes) -> None:
    message = caught("a@example.com", ["b@example.com"], b"Subject: Matryoshka\r\n" + level * 10_000)
    answer = page.get(f"/sandbox/{message.pk}")
    assert (answer.status_code, "Matryoshka" in answer.content.decode()) == (200, True)
    assert page.get(f"/sandbox/{message.pk}/source").status_code == 200
    assert page.get(f"/sandbox/{message.pk}/attachments/0").status_code in (200, 404)


def test_a_picture_of_the_messages_own_parts_is_shown_and_no_other(page: Client) -> None:
    content = (
        b'Content-Type: multipart/related; boundary=a\r\n\r\n--a\r\nContent-Type: text/html\r\n\r\n'
        b'<img src="cid:logo%40norrvik"><img src="cid:missing"><img src="cid:drawing">\r\n'
        b'--a\r\nContent-Type: image/png\r\nContent-ID: <logo@norrvik>\r\n\r\npicture\r\n'
        b'--a\r\nContent-Type: image/svg+xml\r\nContent-ID: <drawing>\r\n\r\n<svg onload="x"/>\r\n--a--\r\n'
    )
    message = caught("a@example.com", ["b@example.com"], content)
    text = page.get(f"/sandbox/{message.pk}").content.decode()
    frame = page.get(text.split('src="/sandbox/')[1].split('"')[0].join(("/sandbox/", ""))).content.decode()
    assert 'src="data:image/png;base64,cGljdHVyZQ=="' in frame
    assert 'src="cid:missing"' in frame
    assert 'src="cid:drawing"' in frame
