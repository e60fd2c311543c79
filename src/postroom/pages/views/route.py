"""Explain route: what would happen to a message that nobody has handed in, and what will happen to an accepted one."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from postroom.flow.acceptance.explain_route import Question, question_of, route_of_delivery, route_of_question
from postroom.flow.acceptance.sending_server import ServerRefused
from postroom.flow.instance.reader import translated
from postroom.pages.queries.message_filters import PURPOSES
from postroom.policy.explain_route import Route
from postroom.store.models import ApiToken, Delivery, Message
from postroom.terms.address import AddressProblem

_FIELDS = ("to", "from", "purpose", "client", "tag")
_TYPED_CHARACTERS = 500


@require_safe
def route(request: HttpRequest) -> HttpResponse:
    """A form whose answer stands below it; the address of the answer can be passed on."""
    typed = {name: request.GET.get(name, "").strip()[:_TYPED_CHARACTERS] for name in _FIELDS}
    problem, found = "", None
    if typed["to"]:
        try:
            found = route_of_question(_question(typed))
        except AddressProblem as refused:
            problem = translated(str(refused))
        except ServerRefused as refused:
            problem = translated(refused.error.text)
    context = {
        "crumbs": [(_("Administration"), ""), (_("System"), ""), (_("Delivery rules"), reverse("pages:delivery-rules")),
                   (_("Explain route"), "")],
        "typed": typed, "problem": problem, "purposes": PURPOSES.items(),
        "tokens": ApiToken.objects.filter(revoked_at=None).order_by("name"),
        "opens": bool(typed["client"] or typed["tag"]), **_shown(found),
    }
    return render(request, "pages/route.html", context, status=422 if problem else 200)


@require_safe
def message_route(request: HttpRequest, message_id: str) -> HttpResponse:
    """For one recipient of an accepted message; the query may choose which (`delivery`)."""
    message = get_object_or_404(Message.objects.select_related("server"), pk=message_id)
    deliveries = message.deliveries.select_related("server", "message")
    chosen: Delivery | None = deliveries.filter(pk=request.GET.get("delivery", "")[:26]).first() or deliveries.first()
    back = reverse("pages:message", args=[message.pk])
    context = {
        "crumbs": [
            (_("Messages"), reverse("pages:messages")),
            (message.subject or _("Message without a subject"), back),
            (_("Explain route"), ""),
        ],
        "message": message, "delivery": chosen, **_shown(route_of_delivery(chosen) if chosen else None),
    }
    return render(request, "pages/message_route.html", context)


def _question(typed: dict[str, str]) -> Question:
    tags = frozenset((typed["tag"],)) if typed["tag"] else frozenset[str]()
    return question_of([typed["to"]], typed["from"], typed["purpose"] or "notification", typed["client"], tags)


def _shown(found: Route | None) -> dict[str, Any]:
    return {"route": found, "times": found.attempts_at[1:] if found else ()}
