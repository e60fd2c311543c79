"""Templates: a closed language, bounded in what it takes."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.message.html_cleaning import clean_fragment
from postroom.message.template import TemplateFault, filled
from postroom.message.template_scope import OUTPUT_BYTES

LIST = list(range(1_000))
ESCAPES = (
    "{{ ''.__class__.__mro__ }}", "{{ name.__class__ }}", "{{ name['__class__'] }}", "{{ name.format }}",
    "{{ rows.append }}", "{{ rows.__init__.__globals__ }}", "{{ config }}", "{{ self }}", "{{ settings.SECRET_KEY }}",
    "{{ env.POSTROOM_CANARY }}", "{{ ENV['POSTROOM_CANARY'] }}", "{{ os.environ }}", "{{ now }}", "{{ today }}",
    "{{ 'now' | date: '%Y' }}", "{{ 'POSTROOM_CANARY' | getenv }}", "{% include '/etc/passwd' %}",
    "{% render 'report-delivery' %}", "{% layout 'x' %}", "{% extends 'x' %}", "{% liquid\necho name %}",
    "{% raw %}{{ name }}{% endraw %}", "{% tablerow r in rows %}{% endtablerow %}", "{% import 'os' %}",
    "{{ name | safe }}", "{{ name | eval }}", "{{ 7 | send: 'system' }}", "{{ name.gsub }}", "{{ name() }}",
    "{{ range(10) }}", "{{ lookup('x') }}", "${7*7}", "<%= 7*7 %>", "#{7*7}", "{{ request.session }}",
    "{% for i in (1..3) %}{{ i }}{% endfor %}", "{{ template }}", "{{ forloop.__class__ }}", "{% increment name %}",
)
# What each of them may give at most: nothing that was not a value, and no result of a calculation of another language.
GIVES_NOTHING_OF = ("canary", "class", "function", "builtin", "root:", "49", str(time.gmtime().tm_year), "123")


@pytest.mark.parametrize("source", ESCAPES)
@pytest.mark.parametrize("is_html", [False, True])
def test_m2_known_ways_out_of_a_template_lead_nowhere(
    source: str, is_html: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "POSTROOM_CANARY", "canary-of-the-environment")
    text = ""
    with suppress(TemplateFault):
        text = filled(source, {"name": "Amira", "rows": [{"a": 1}]}, is_html=is_html).text
    assert text == source if source[0] in "$<#" else not any(secret in text for secret in GIVES_NOTHING_OF)


def test_m2_values_conditions_and_loops_over_given_lists_are_what_there_is() -> None:
    source = "{% for r in rows %}{% if r.n > 1 %}{{ r.name | upcase }}{% else %}-{% endif %}{% endfor %}"
    assert filled(source, {"rows": [{"n": 1, "name": "a"}, {"n": 2, "name": "b"}]}).text == "-B"


def test_m2_what_is_no_plain_value_is_refused() -> None:
    with pytest.raises(TemplateFault, match="neither text"):
        filled("{{ f }}", {"f": print})


HUGE = (
    "{% for a in l %}{% for b in l %}{% for c in l %}x{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in l %}{% for b in l %}{% comment %}nothing{% endcomment %}{% endfor %}{% endfor %}",
    "{% for a in l %}{% for b in l %}" + "{% if true %}{% endif %}" * 500 + "{% endfor %}{% endfor %}",
    "{% for a in l %}{% for b in l %}{% if " + "1==1 and " * 50 + "1==1 %}{% endif %}{% endfor %}{% endfor %}",
    "{% for a in (1..100000000) reversed %}{% endfor %}",
    "{% for a in ('1'..'100000000') reversed %}{% endfor %}",
    "{% assign a = 'aaaaaaaaaaaaaaaa' %}" + "{% assign a = a | append: a %}" * 60,
    "{% assign a = 'aaaa' %}" + "{% assign a = a | replace: 'a', a %}" * 30,
    "{{ n" + " | times: 999999999999" * 20 + " }}",
    "{% for a in l %}{{ s }}{{ s }}{{ s }}{% endfor %}",
    "{% for a in l %}{% if s contains t %}{% endif %}{% endfor %}",
    "{% for a in l %}{{ l | sort | reverse | join }}{% endfor %}",
    "{% for a in l %}{{ s | upcase | downcase | upcase }}{% endfor %}",
    "{{" * 50_000,
    "{%" * 50_000,
    "{% if x %}" * 4_000,
    "{% comment %}" * 4_000,
    "{% raw %}" * 20_000,
    "{% capture x %}{{ x }}{{ x }}ab{% endcapture %}" * 3_000,
    "{{ a" + "[" * 490 + " }}",
    "{{ " + "x" * 600 + " }}",
    "x" * 300_000,
    "{{ x }}" * 5_000,
)


def _ends_after(seconds: float) -> Callable[[], bool]:
    ends = time.monotonic() + seconds
    return lambda: time.monotonic() > ends


@pytest.mark.parametrize("source", HUGE, ids=range(len(HUGE)))
def test_m3_a_template_that_takes_too_much_is_refused_within_a_second(source: str) -> None:
    values = {"l": LIST, "s": "a" * 400_000, "t": "a" * 200_000 + "b", "n": 7}
    began = time.monotonic()
    with pytest.raises(TemplateFault):
        filled(source, values, is_late=_ends_after(0.5))
    assert time.monotonic() - began < 1


def test_m3_values_are_bounded_too() -> None:
    nested: Any = 1
    for _ in range(2_000):
        nested = [nested]
    for values in ({"x": nested}, {"x": "a" * 1_000_001}, {"x": [1] * 60_000}):
        with pytest.raises(TemplateFault):
            filled("{{ x }}", values)


def test_a_fault_names_its_line() -> None:
    with pytest.raises(TemplateFault) as fault:
        filled("one\ntwo\n{{ a | no_such }}", {"a": 1})
    assert str(fault.value.text) == "Line 3: There is no filter “no_such” here."


def test_values_are_text_in_html_unless_they_were_cleaned() -> None:
    values = {"a": "<b>&", "b": clean_fragment("<b>bold</b><script>alert(1)</script>")}
    assert filled("{{ a }}|{{ b }}", values, is_html=True).text == "&lt;b&gt;&amp;|<b>bold</b>"
    assert filled("{{ a }}|{{ b }}", values).text == "<b>&|bold"


@pytest.mark.parametrize("filter_", ["upcase", "append: x", "replace: 'a', x", "join", "newline_to_br", "default: x",
                                     "truncate: 90", "prepend: x", "date: x", "first", "last", "capitalize"])
def test_no_filter_makes_html_of_a_value(filter_: str) -> None:
    values = {"x": "<i>", "v": "<a>a</a>"}
    for source in ("{{ v | %s }}", "{{ 'a' | %s }}", "{%% assign y = v | %s %%}{{ y | append: 'z' }}"):
        text = filled(source % filter_, values, is_html=True).text.replace("<br>", "")
        assert "<" not in text


def test_controls_and_halves_of_characters_in_values_are_left_out() -> None:
    assert filled("{{ a }}", {"a": "x\0y\x1b[31m\tz\ud800"}).text == "xy[31m\tz\ufffd"


def test_a_missing_value_is_empty_and_told() -> None:
    found = filled("{{ a }}{{ b.c }}{{ d }}", {"a": 1, "d": ""})
    assert (found.text, found.missing) == ("1", ("b.c",))


def test_an_empty_text_is_no_value_for_a_condition() -> None:
    assert filled("{% if a %}there{% endif %}", {"a": ""}).text == ""


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ n | number: 2 }}", "1,234,567.50"),
        ("{{ n | number: 1, 'fr' }}", "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567,5"),
        ("{{ t | date: 'day' }}", "Monday 9 March 2026"),
        ("{{ t | date: 'date_time', 'fr' }}", "9 mars 2026, 08:00"),
        ("{{ t | date: '%Y-%m %Z' }}", "2026-03 UTC+01"),
        ("{{ 'not a time' | date }}", "not a time"),
        ("{{ rows | map: 'a' | join: '; ' }}", "2; 1"),
        ("{{ rows | sort: 'a' | map: 'a' | join }}", "1, 2"),
        ("{{ rows | where: 'a', 2 | size }}", "1"),
        ("{{ 7 | divided_by: 2 | round }}", "4"),
        ("{{ 'Ærø' | url_encode }}", "%C3%86r%C3%B8"),
    ],
)
def test_filters_give_what_their_names_say(source: str, text: str) -> None:
    values = {"n": 1_234_567.5, "t": "2026-03-09T08:00:00+01:00", "rows": [{"a": 2}, {"a": 1}]}
    assert filled(source, values).text == text


@given(st.text(alphabet="{}%|'\". abx()[]-_:,\n0", max_size=120))
def test_m3_any_source_gives_a_text_or_a_fault(source: str) -> None:
    with suppress(TemplateFault):
        assert len(filled(source, {"a": "1", "b": [1], "x": {"a": 2}}).text) <= OUTPUT_BYTES
