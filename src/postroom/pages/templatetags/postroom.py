"""Icons, times in words and states for the templates."""

from datetime import datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

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
def clock(at: datetime | None) -> str:
    return words.clock(at) if at else ""


@register.filter
def exact_clock(at: datetime | None) -> str:
    return words.exact_clock(at) if at else ""


@register.filter
def day_and_clock(at: datetime | None) -> str:
    return words.day_and_clock(at) if at else ""


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
    return "–" if value is None else f"{round(value):,} ms"
