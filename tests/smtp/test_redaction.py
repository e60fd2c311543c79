"""Credentials that a server echoes are hidden (T7)."""

import base64
import html
import json
import time
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from postroom.smtp.redaction import Redaction
from postroom.terms.reply import Reply

PASSWORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=6, max_size=24)
HARMLESS = st.sampled_from(["", "x", "yz", "user:", "login "])


@given(PASSWORDS, HARMLESS, HARMLESS)
def test_t7_a_password_is_hidden_in_the_clear_and_in_base64_at_any_position(
    password: str, before: str, after: str
) -> None:
    redaction = Redaction("user", password)
    assert password not in redaction.text(f"{before}{password}{after}").replace("[hidden]", "")
    for whole in (password, f"\0user\0{password}", f"user:{password}", f"{before}{password}"):
        encoded = base64.b64encode(whole.encode()).decode()
        assert encoded not in redaction.text(f"bad: {encoded}.")


def test_t7_letter_case_does_not_matter() -> None:
    assert redacted("Tr0ub4dor&3", "you said TR0UB4DOR&3") == "you said [hidden]"


def test_t7_url_and_hexadecimal_forms_are_hidden() -> None:
    assert redacted("p@ss/word", "p%40ss%2Fword") == "[hidden]"
    assert redacted("hunter22", b"hunter22".hex()) == "[hidden]"


def test_t7_a_password_escaped_for_json_html_or_a_url_in_any_dialect_is_hidden() -> None:
    password = "a/b&<\"p%w \\'ä😀"
    for form in (
        json.dumps(password)[1:-1],
        json.dumps(password, ensure_ascii=False)[1:-1],
        html.escape(password),
        password.replace("&", "&amp;").replace("<", "&#x3C;").replace('"', "&#034;").replace("ä", "&auml;"),
        quote(password),
        quote_plus(password),
        quote(password, safe="&%").lower(),
        quote(password, safe="").replace("%", "+"),
        quote(base64.b64encode(password.encode()), safe=""),
    ):
        assert redacted(password, f"bad {form} said") == "bad [hidden] said", form


def test_b12_no_reply_makes_the_search_for_an_escaped_password_slow() -> None:
    began = time.process_time()
    assert redacted("\\" * 40 + "%+=& x", "\\" * 2000 + "%25" * 600 + "&amp;" * 400).count("[hidden]") == 0
    assert time.process_time() - began < 1.0


def test_t7_a_password_with_spaces_around_is_hidden_without_them_too() -> None:
    assert redacted(" hunter22 ", "you said hunter22, aHVudGVyMjI=") == "you said [hidden], [hidden]"


def test_a_short_password_is_hidden_where_it_stands_alone() -> None:
    assert redacted("a", "a bad password a") == "[hidden] bad password [hidden]"


def test_without_a_password_nothing_changes() -> None:
    reply = Reply(535, ("no",))
    assert Redaction("user", "").reply(reply) == reply


def test_octets_keep_what_is_no_text() -> None:
    assert Redaction("user", "hunter22").octets(b"\xffhunter22\xfe") == b"\xff[hidden]\xfe"


def redacted(password: str, text: str) -> str:
    return Redaction("user", password).text(text)
