"""HTML made into mail: inlined, cleaned, with the text that goes with it."""

import socket
from contextlib import suppress

import pytest

from postroom.message.accessibility import barriers
from postroom.message.html_mail import html_mail, text_with_links
from postroom.message.html_shape import HtmlFault

HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<a href='javascript:alert(1)'>x</a>",
    "<iframe src='https://evil.example'></iframe>", "<form action='https://evil.example'><input name=a></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>", "<base href='https://evil.example/'>",
    "<link rel=stylesheet href='https://evil.example/a.css'>", "<object data='https://evil.example'></object>",
    "<p style='background:url(https://evil.example/x)'>a</p>", "<svg onload=alert(1)><script>1</script></svg>",
    "<style>@import url(https://evil.example/a.css); p{background:url(https://evil.example/x)}</style><p>a</p>",
    "<p style='width:expression(alert(1))'>a</p>", "<img src='data:text/html,<script>alert(1)</script>'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'></math>",
    "<p style='position:fixed;top:0'>a</p>", "<a href='vbscript:x'>x</a>", "<video src='https://evil.example'></video>",
)


@pytest.mark.parametrize("html", HOSTILE)
def test_w4_nothing_that_runs_reloads_or_fetches_by_itself_is_left(html: str) -> None:
    made = html_mail(f"<html><body>{html}</body></html>", language="en", title="t").html.lower()
    for trace in (
        "<script", "onerror", "onload", "javascript:", "vbscript:", "<iframe", "<form", "<input", "http-equiv=refresh",
        "<base", "<link", "<object", "url(", "evil.example", "expression(", "data:text", "position:fixed",
    ):
        assert trace not in made


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://127.0.0.1:1/x.css", "/etc/passwd", "mail.css"])
def test_m6_no_style_sheet_is_fetched_or_read(address: str) -> None:
    made = html_mail(f"<html><head><link rel=stylesheet href='{address}'></head><p>a</p>", language="en", title="t")
    assert "root:" not in made.html
    assert address not in made.html


def test_m6_a_server_that_waits_for_being_asked_is_never_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        at = f"http://127.0.0.1:{listener.getsockname()[1]}"
        html_mail(
            f"<html><head><link rel=stylesheet href='{at}/a.css'><style>@import url('{at}/b.css'); p{{background:"
            f"url({at}/c.png)}}</style></head><body background='{at}/d.png'><img src='{at}/e.png' alt=''><p>a</p>"
            f"<iframe src='{at}/f'></iframe><object data='{at}/g'></object></body></html>", language="en", title="t",
        )
        with pytest.raises(TimeoutError):
            listener.accept()


def test_styles_are_inlined() -> None:
    made = html_mail("<style>p { color: #123456 }</style><p>a</p>", language="fr", title="Titre")
    assert '<p style="color: #123456">a</p>' in made.html
    assert '<html lang="fr">' in made.html
    assert "<title>Titre</title>" in made.html


def test_the_text_part_has_the_addresses_of_links_and_the_words_of_pictures() -> None:
    html = "<h1>Report</h1><p>See <a href='https://x.example/r'>the page</a>.</p><img src='cid:logo' alt='Norrvik'>"
    assert text_with_links(html) == "Report\n\nSee the page (https://x.example/r).\n\nNorrvik"


def test_html_nested_ten_thousand_deep_is_made_or_refused() -> None:
    for tag in ("b", "div", "table><tr><td", "ul><li", "svg><style", "!--", "?x", "b title='</b>'", "xmp", "p><b"):
        with suppress(HtmlFault):
            assert "</html>" in html_mail(f"<{tag}>" * 10_000 + "x", language="en", title="t").html


@pytest.mark.parametrize("styles", ["td:has(~b){color:red}", "td:HAS(b){}", "td:\\68 as(~b){}", "td{}" * 1_001])
def test_m3_styles_that_would_take_long_are_refused(styles: str) -> None:
    with pytest.raises(HtmlFault):
        html_mail(f"<style>{styles}</style><table><tr>{'<td>a' * 20_000}</table>", language="en", title="t")


def test_m3_html_of_very_many_elements_is_refused() -> None:
    with pytest.raises(HtmlFault):
        html_mail("<td>a" * 40_000, language="en", title="t")


def test_braces_of_a_text_stay() -> None:
    assert "{x} {{y}}" in html_mail("<p>{x} {{y}}</p>", language="en", title="{t}").html


GOOD = (
    "<html lang='en'><body style='background-color:#fff;color:#18212d'><h1>A</h1><h2>B</h2><img alt='' src='cid:a'>"
    "<a href='https://x.example' style='color:#1b5cbc'>The report</a></body></html>"
)


def test_good_html_has_no_barriers() -> None:
    assert barriers(GOOD) == []


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        ("<html><p>a</p></html>", "language"),
        ("<html lang=en><img src='cid:a'></html>", "alt"),
        ("<html lang=en><h1>a</h1><h3>b</h3></html>", "headings"),
        ("<html lang=en><h2>a</h2></html>", "headings"),
        ("<html lang=en><p style='color:#aaa'>a</p></html>", "contrast"),
        ("<html lang=en><td bgcolor='#1b5cbc'><b>a</b></td></html>", "contrast"),
        ("<html lang=en><div style='background:#222'><p style='color: rgb(90, 90, 90)'>a</p></div></html>", "contrast"),
        ("<html lang=en><a href='https://x.example'>Click here</a></html>", "link"),
    ],
)
def test_a_barrier_is_found(html: str, kind: str) -> None:
    assert [barrier.kind for barrier in barriers(html)] == [kind]


def test_large_text_may_be_paler() -> None:
    assert barriers("<html lang=en><h1 style='color:#888'>a</h1></html>") == []
