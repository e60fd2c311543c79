"""The text of HTML: readable, never much longer than its HTML, and of one page alone."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from inscriptis import Inscriptis
from inscriptis.model.html_document_state import HtmlDocumentState
from lxml.html import document_fromstring

from postroom.message import text_of_html as making
from postroom.message.html_extent import extent
from postroom.message.html_mail import text_with_links
from postroom.message.text_of_html import text_of_html

TAGS = (
    "table", "tr", "td", "th", "ul", "ol", "li", "div", "p", "br", "pre", "h1", "b", "a", "q", "span", "blockquote",
    "/table", "/tr", "/td", "/ul", "/div", "/p", "/pre", "caption", "tbody", "style", "!--x--",
)
TEXTS = ("", "x", "a b", "\n", "\nx", "  ", "&amp;", "x" * 2_000, "\n" * 500, "word " * 300)
PIECES = st.tuples(st.sampled_from(TAGS), st.sampled_from(TEXTS), st.sampled_from((1, 2, 30, 300)))


def test_texts_that_two_threads_make_at_once_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[str] = []
    begin = HtmlDocumentState.apply_starttag_layout

    def interrupted(state: HtmlDocumentState, tag: str, attributes: dict[str, str]) -> None:
        """As where the processor is given to another thread here."""
        if not others:
            others.append("begun")
            others.append(text_of_html("<p>Not for Ann</p>"))
        begin(state, tag, attributes)

    monkeypatch.setattr(HtmlDocumentState, "apply_starttag_layout", interrupted)
    assert text_of_html("<p>For Ann</p>") == "For Ann"
    assert others == ["begun", "Not for Ann"]


@pytest.mark.parametrize("html", [
    "<table><tr><td>" + "x" * 30_000 + "<tr><td>y" * 3_300,
    "<table><tr><td>a<td>" + "<br>" * 7_500 + "<td>" * 5_000,
    "<table><tr>" + "<td>a" * 1_000 + "<tr>" * 2_000,
    "<table><tr><td><pre>" + "x\n" * 5_000 + "</pre><td>" + "y" * 5_000,
    ("<table><tr><td>" + "x" * 300 + "<tr><td>") * 60,
    "<div>" * 200 + "x<br>" * 5_000,
    "<div>" * 200 + "<pre>" + "x\n" * 10_000,
    "<ul><li>" * 100 + "<li>x" * 5_000,
    "<p>" + "x" * 400_000 + "<a>y" * 20_000,
    "x<br>" * 40_000,
])
def test_m3_a_page_that_would_be_drawn_many_times_its_length_is_read_line_by_line(
    html: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(making, "_in_columns")
    text = text_of_html(html)
    assert len(text) <= 2 * len(html)
    assert ("x" in html) == ("x" in text)


@settings(max_examples=50)
@given(st.lists(PIECES, max_size=8))
@example([("table", "", 1), ("td", "x" * 2_000, 1), ("tr", "", 1), ("td", "x", 600)])
def test_m3_no_text_is_much_longer_than_its_html(pieces: list[tuple[str, str, int]]) -> None:
    html = "".join(f"<{tag}>{text}" * times for tag, text, times in pieces)
    if len(html) <= making.HTML_CHARACTERS:
        assert len(text_of_html(html)) <= 4 * len(html) + 4_000


@settings(max_examples=50)
@given(st.lists(PIECES, max_size=12))
def test_what_is_drawn_is_never_longer_than_was_foreseen(pieces: list[tuple[str, str, int]]) -> None:
    html = "".join(f"<{tag}>{text}" * min(times, 30) for tag, text, times in pieces)
    tree = document_fromstring(f"<html><body>{html}</body></html>")
    foreseen = extent(tree)
    if foreseen.drawn <= 1_000_000:
        assert len(Inscriptis(tree).get_text()) <= foreseen.characters + 1


def test_a_wide_report_is_drawn_in_columns() -> None:
    rows = "".join(f"<tr><td>Region {n}</td>{f'<td>{n:,}.00</td>' * 20}</tr>" for n in range(1_100, 1_200))
    lines = text_of_html(f"<table><tr><th>Region</th>{'<th>Sum</th>' * 20}</tr>{rows}</table>").splitlines()
    assert (len(lines), {len(line) for line in lines[1:]}) == (101, {len(lines[1])})
    assert lines[100].split()[:4] == ["Region", "1199", "1,199.00", "1,199.00"]


def test_a_page_read_line_by_line_keeps_rows_cells_lists_and_paragraphs_apart() -> None:
    rows = "<tr><td>North</td> <td>5</td></tr><tr><td></td><td>6</td></tr>"
    html = (
        f"<style>p {{ color: red }}</style><h1>Sales</h1><p>For  <b>you</b>\n &amp; me</p>"
        f"<table><tr><th>{'N' * 20_000}<th>Sum{rows * 300}</table>"
        "<!-- hidden --><ul><li>one<li>two</ul><div>a<br><br>b</div><pre>c\n   d</pre>e"
    )
    text = text_of_html(html)
    assert text.startswith(f"Sales\n\nFor you & me\n\n{'N' * 20_000}  Sum\nNorth  5\n6\nNorth  5\n")
    assert text.endswith("6\n\n* one\n* two\na\n\nb\nc\n   d\ne")


def test_links_stand_behind_their_words_however_the_page_is_read() -> None:
    link = '<a href="https://a.example/r">Report</a>'
    assert text_with_links(f"<p>{link}</p>") == "Report (https://a.example/r)"
    wide = f"<table><tr><td>{link}<td>{'x' * 9_000}{'<tr><td>a<td>b' * 900}</table>"
    assert text_with_links(wide).startswith("Report (https://a.example/r)  xxx")
