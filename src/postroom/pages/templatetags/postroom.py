"""Icons, times in words and states for the templates."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django import template
from django.http import QueryDict
from django.template import RequestContext
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from postroom.flow.instance import reader
from postroom.pages import states, words

register = template.Library()


@register.simple_tag
def icon(name: str, kind: str = "") -> SafeString:
    """An icon of the sprite; always decoration, so it is hidden from screen readers."""
    return format_html(
        '<svg class="pr-icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        kind, static("pages/icons.svg"), name,
    )


@register.inclusion_tag("pages/parts/badge.html")
def badge(state: str, text: str = "", plain: bool = False) -> dict[str, Any]:
    """A state as icon and word; `text` replaces the word, such as "Failing since 13:47"."""
    look = states.look_of(state)
    return {"look": look, "text": text or look.word, "plain": plain}


@register.filter
def state_word(state: str) -> str:
    return str(states.look_of(state).word)


@register.filter
def said(text: Any) -> Any:
    """A text of the rooms below (`terms.wording`) in the reader's language; anything else as it is."""
    return reader.translated(text) if isinstance(text, str) else text


@register.filter
def told(finding: Mapping[str, Any] | None) -> dict[str, Any]:
    """A stored finding in the reader's language: {% with finding=row.finding|told %}."""
    return reader.told(finding)


@register.filter
def number(value: float | None) -> str:
    """With thousands apart, as the language does it; an en dash where there is none."""
    return "–" if value is None else words.number(value)


@register.filter
def decimal(value: float | None) -> str:
    """With one decimal, as the language writes it; an en dash where there is none."""
    return "–" if value is None else words.number(value, 1)


@register.filter
def ago(at: datetime | None) -> str:
    return words.ago(at) if at else ""


@register.simple_tag
def stage_icon(status: str) -> SafeString:
    look = states.look_of(status)
    return SafeString(icon(look.icon, "pr-18 pr-spin" if look.spins else "pr-18"))


@register.filter
def at(values: Mapping[str, Any], name: str) -> Any:
    """The value under a name that the template holds in a variable; "" where there is none."""
    return values.get(name, "") if values else ""


@register.filter
def as_json(value: Any) -> str:
    return json.dumps(value)


@register.filter
def day(at: datetime | None) -> str:
    return words.day(at) if at else ""


@register.filter
def short_span(seconds: float) -> str:
    return words.short_span(seconds)


@register.filter
def sentence(text: str) -> str:
    """With a full stop, unless it ends a sentence already."""
    return text if not text or text[-1] in ".!?…:" else f"{text}."


@register.filter
def clock(at: datetime | None) -> str:
    return words.clock(at) if at else ""


@register.filter
def exact_clock(at: datetime | None) -> str:
    return words.exact_clock(at) if at else ""


@register.filter
def day_and_clock(at: datetime | None) -> str:
    return words.day_and_clock(at) if at else ""


@register.filter
def weekday_and_day(day: date) -> str:
    return words.weekday_and_day(day)


@register.filter
def date_with_year(at: datetime | None) -> str:
    return words.date_with_year(at) if at else ""


@register.filter
def since(at: datetime | None) -> str:
    return words.since(at) if at else ""


@register.filter
def until(at: datetime | None) -> str:
    return words.until(at) if at else ""


@register.filter
def first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


@register.filter
def size(octets: int | None) -> str:
    return words.size(octets) if octets is not None else ""


@register.filter
def ms(value: float | None) -> str:
    """Milliseconds of a stage with thousands apart, an en dash where there are none."""
    return "–" if value is None else words.measured(round(value), "ms")


@register.simple_tag
def tone_icon(state: str) -> SafeString:
    """A state's icon in the state's colour."""
    look = states.look_of(state)
    return SafeString(icon(look.icon, f"pr-{look.tone}"))


@register.simple_tag(takes_context=True)
def page_query(context: RequestContext, number: int) -> str:
    """The present query with another page number."""
    query = _query(context)
    query["page"] = str(number)
    return query.urlencode()


def _query(context: RequestContext) -> QueryDict:
    query: QueryDict = context["request"].GET.copy()
    query.pop("page", None)
    return query
