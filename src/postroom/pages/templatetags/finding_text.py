"""Texts of findings in the templates."""

import re

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()
_QUOTED = re.compile(r"`([^`]{1,300})`")


@register.filter
def quoted_code(text: str) -> SafeString:
    """A step whose commands stand between backticks, with these in their own type."""
    pieces = _QUOTED.split(str(text))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", piece) if at % 2 else piece,) for at, piece in enumerate(pieces))
    )
