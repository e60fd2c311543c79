"""What may stand in a header, and what a file name becomes (M1, W10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.terms.header import HeaderProblem, checked_media_type, checked_structured_text, file_label, is_message_id


@pytest.mark.parametrize("text", ["<a@b>", "<2026.x-y@mail.example.com>", "<a@[192.0.2.1]>"])
def test_a_message_id_has_brackets_and_one_at(text: str) -> None:
    assert is_message_id(text)


@pytest.mark.parametrize(
    "text", ["", "a@b", "<a>", "<a@b", "<a b@c>", "<a@b>\n", "<a@b> <c@d>", "<é@b>", "<a@b\r\n>", f"<{'a' * 300}@b>"]
)
def test_anything_else_is_no_message_id(text: str) -> None:
    assert not is_message_id(text)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\secret\\plan.doc", "plan.doc"),
        ("a\r\nContent-Type: text/html\0.txt", "html.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("..", "attachment"),
        ("", "attachment"),
        ("/", "attachment"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("Bilanz  März\u2028.xlsx", "Bilanz März.xlsx"),
    ],
)
def test_a_file_name_becomes_a_label(text: str, label: str) -> None:
    assert file_label(text) == label


@given(st.text(max_size=400))
def test_any_file_name_becomes_a_label_that_stays_itself(text: str) -> None:
    label = file_label(text)
    assert 0 < len(label) <= 200
    assert file_label(label) == label


@pytest.mark.parametrize(
    "text", ["text", "text/", "text/html; x=y", "multipart/mixed", "message/rfc822", "text/html\r\nX: y", "a b/c"]
)
def test_a_media_type_that_no_attachment_can_have_is_refused(text: str) -> None:
    with pytest.raises(HeaderProblem):
        checked_media_type(text)


def test_a_structured_field_takes_ascii_words_that_fit_a_line() -> None:
    assert checked_structured_text("<https://example.com/u>") == "<https://example.com/u>"
    for text in ("é", "x" * 999):
        with pytest.raises(HeaderProblem):
            checked_structured_text(text)
