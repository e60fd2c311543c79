"""Links and numbers of the activity log's templates."""

from django import template

from postroom.pages.queries.activity_filters import Asked
from postroom.pages.queries.activity_rows import Row

register = template.Library()


@register.simple_tag
def entries_like(asked: Asked, row: Row) -> str:
    """The query for each of the entries for which a row stands."""
    return asked.query(each="1", cause=[row.cause], server=[row.server] if row.server else [], severity=[row.severity])


@register.filter
def unlocalised(value: float) -> str:
    """A number as SVG writes it, whatever the language."""
    return f"{value:g}"
