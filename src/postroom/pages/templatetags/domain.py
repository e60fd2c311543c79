"""The parts about domains, as a page first shows them: with what is already known, else ready to ask."""

from typing import Any

from django import template
from django.template import RequestContext
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from postroom.flow.domains.check_domain import FRESH
from postroom.pages.queries.domain_checks import SENDER_PARTS, stored_view
from postroom.store.models import User
from postroom.terms.server import ServerSettings

register = template.Library()


@register.inclusion_tag("pages/parts/from_domain.html")
def from_domain(settings: ServerSettings) -> dict[str, Any]:
    """The card "From domain" of a form that has the fields #f-from_address and #f-host."""
    return {"view": stored_view(settings.from_address, settings.host, SENDER_PARTS)}


@register.inclusion_tag("pages/parts/inbox_outlook.html", takes_context=True)
def inbox_outlook(context: RequestContext, settings: ServerSettings) -> dict[str, Any]:
    """The card "Will it reach the inbox?" of settings that stay as they are. A viewer sees what others asked for."""
    view = stored_view(settings.from_address, settings.host, SENDER_PARTS)
    ask = {"from_address": settings.from_address, "host": settings.host} if _may_ask(context) else None
    return {"view": view, "ask": ask}


@register.inclusion_tag("pages/parts/recipient_domain.html")
def recipient_domain(field: str) -> dict[str, Any]:
    """The line below the field named `field`, whose id is "f-" and its name, that takes one or several recipients."""
    return {"field": field}


@register.inclusion_tag("pages/parts/recipient_state.html", takes_context=True)
def recipient_state(context: RequestContext, address: str, cause: str) -> dict[str, Any]:
    """Beside a refused recipient: whether the domain takes mail at all. Nothing where the cause is another one."""
    if not cause.startswith("recipient-"):
        return {}
    view = stored_view(address, "", ("mx",))
    is_old = view.read_at is None or timezone.now() - view.read_at > FRESH
    asks = bool(view.domain) and is_old and _may_ask(context)
    return {"views": [view], "ask": {"field": "to", "to": address} if asks else None}


@register.filter
def first_bold(sentence: str) -> SafeString:
    """The abbreviation at the beginning of a sentence set off: "**SPF** allows …"."""
    first, space, rest = sentence.partition(" ")
    if not first.rstrip(":").isupper():
        return format_html("{}", sentence)
    return format_html("<strong>{}</strong>{}{}", first, space, rest)


def _may_ask(context: RequestContext) -> bool:
    user = context.get("user")
    return isinstance(user, User) and user.role in (User.Role.ADMINISTRATOR, User.Role.OPERATOR)
