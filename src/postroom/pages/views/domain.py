"""Parts of pages that show what the DNS says of a domain; a page asks again while it waits (htmx)."""

import re
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from postroom.pages.access import administrator_only, operator_only, person
from postroom.pages.ask_limit import may_ask
from postroom.pages.queries.detection import Detection, detection_of
from postroom.pages.queries.domain_checks import SENDER_PARTS, DomainView, asked_view, recipient_domains

_FIELD = re.compile(r"[a-z][a-z_]{0,39}")


@operator_only
@never_cache
@require_POST
def from_domain(request: HttpRequest) -> HttpResponse:
    """The card "From domain" for the address and the server that the form has now."""
    view = _sender_view(request)
    return _part(request, "from_domain_said.html", {"view": view, "user": person(request)})


@operator_only
@never_cache
@require_POST
def outlook(request: HttpRequest) -> HttpResponse:
    """The card "Will it reach the inbox?" of settings that were tested."""
    view = _sender_view(request)
    ask = {"from_address": request.POST.get("from_address", ""), "host": request.POST.get("host", "")}
    return _part(request, "inbox_outlook.html", {"view": view, "ask": ask})


@operator_only
@never_cache
@require_POST
def recipient(request: HttpRequest) -> HttpResponse:
    """Whether the domains of the recipients in the field named `field` accept mail."""
    field = request.POST.get("field", "")
    if not _FIELD.fullmatch(field):
        raise Http404
    views = [_asked(request, domain, "", ("mx",)) for domain in recipient_domains(request.POST.get(field, "")[:2_000])]
    waiting = [view for view in views if view.polls]
    context = {"views": views, "polls": bool(waiting), "tries": waiting[0].tries if waiting else 0}
    return _part(request, "recipient_domain_said.html", context)


@administrator_only
@never_cache
@require_POST
def detect(request: HttpRequest) -> HttpResponse:
    """Which provider the address in the form's field Detect belongs to."""
    if not may_ask(person(request)):
        found = Detection("", view=DomainView(state="full"))
    else:
        found = detection_of(request.POST.get("detect", "")[:320], _tries(request))
    return _part(request, "detect_said.html", {"found": found})


def _part(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    """A part without what only whole pages show, such as counts beside the navigation: parts are asked for often."""
    context = {**context, "csrf_token": get_token(request)}
    return HttpResponse(render_to_string(f"pages/parts/{name}", context))


def _sender_view(request: HttpRequest) -> DomainView:
    return _asked(request, request.POST.get("from_address", ""), request.POST.get("host", ""), SENDER_PARTS)


def _asked(request: HttpRequest, typed: str, host: str, names: tuple[str, ...]) -> DomainView:
    if not may_ask(person(request)):
        return DomainView(state="full")
    return asked_view(
        typed[:320], host[:253], names, tries=_tries(request), anew=request.POST.get("anew") == "yes"
    )


def _tries(request: HttpRequest) -> int:
    typed = request.POST.get("tries", "")
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 5 else 0
