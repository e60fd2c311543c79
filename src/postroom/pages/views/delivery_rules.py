"""Delivery rules: the list, adding and changing one, their order, removing one and putting it back."""

import re
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.servers.delivery_rules import (
    ATTEMPTS,
    NAME_CHARACTERS,
    add_rule,
    change_rule,
    move_rule,
    put_back,
    remove_rule,
    rule_json,
)
from postroom.flow.servers.server_order import servers_in_order
from postroom.pages.access import administrator_only, person
from postroom.pages.queries.delivery_rules import rule_rows
from postroom.pages.queries.message_filters import PURPOSES
from postroom.store.models import ApiToken, DeliveryRule
from postroom.terms.problem import FieldError

_LIST = gettext_lazy("Delivery rules")
_CRUMBS = [(gettext_lazy("Administration"), ""), (gettext_lazy("System"), "")]
_LABELS = {
    "name": gettext_lazy("Name"), "server": gettext_lazy("Server"), "purposes": gettext_lazy("Purpose"),
    "recipient_domains": gettext_lazy("Recipient domains"), "senders": gettext_lazy("From"),
    "clients": gettext_lazy("Application"), "tags": gettext_lazy("Tags"),
    "min_attempts": gettext_lazy("Tries before"), "only": gettext_lazy("Only this server"),
}
_TYPED_CHARACTERS = 20_000
_FOLDED = ("clients", "tags", "min_attempts", "only")


@require_safe
def delivery_rules(request: HttpRequest) -> HttpResponse:
    """The page; to htmx the list alone. Everybody may read it."""
    template = "parts/delivery_rules_work" if "HX-Request" in request.headers else "delivery_rules"
    return render(request, f"pages/{template}.html", _list_context(request, request.GET.get("order") == "yes"))


@administrator_only
@require_http_methods(["GET", "POST"])
def new_delivery_rule(request: HttpRequest) -> HttpResponse:
    return _form(request, None)


@administrator_only
@require_http_methods(["GET", "POST"])
def delivery_rule(request: HttpRequest, rule_id: str) -> HttpResponse:
    return _form(request, get_object_or_404(DeliveryRule, pk=rule_id))


@administrator_only
@require_POST
def move(request: HttpRequest, rule_id: str) -> HttpResponse:
    """Answers htmx with the list alone, everybody else with the page; either says what moved and offers it back."""
    typed = request.POST.get("to", "")
    to = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else 0
    moved: dict[str, Any] = {}
    try:
        before = move_rule(rule_id, to, person(request).email)
    except NotPossible as reason:
        moved = {"problem": translated(str(reason))}
    else:
        moved = {"said": _moved(rule_id), "moved": rule_id, "before": before}
    if "HX-Request" not in request.headers:
        if "problem" in moved:
            messages.error(request, moved["problem"])
        else:
            messages.success(request, moved["said"])
        return redirect(f"{reverse('pages:delivery-rules')}?order=yes")
    return render(request, "pages/parts/delivery_rules_work.html", {**_list_context(request, True), **moved})


@administrator_only
@require_POST
def remove(request: HttpRequest, rule_id: str) -> HttpResponse:
    try:
        removal = remove_rule(rule_id, person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:delivery-rules")
    return redirect(f"{reverse('pages:delivery-rules')}?removed={removal}")


@administrator_only
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Put a removed rule back."""
    try:
        put_back(request.POST.get("removal", "")[:26], person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    else:
        messages.success(request, _("The rule is back at its place."))
    return redirect("pages:delivery-rules")


def _moved(rule_id: str) -> str:
    rows = rule_rows()
    row = next(row for row in rows if row.rule.pk == rule_id)
    values = {"name": row.title, "place": row.place, "last": len(rows)}
    return _("%(name)s is now at place %(place)d of %(last)d.") % values


def _list_context(request: HttpRequest, changes_order: bool) -> dict[str, Any]:
    rows = rule_rows()
    return {
        "crumbs": [*_CRUMBS, (_LIST, "")],
        "rows": rows,
        "changing": changes_order and person(request).is_administrator and len(rows) > 1,
        "removed": request.GET.get("removed", "")[:26],
        "is_part": "HX-Request" in request.headers,
    }


def _form(request: HttpRequest, rule: DeliveryRule | None) -> HttpResponse:
    typed = rule_json(rule) if rule else {"enabled": True}
    problems: list[FieldError] = []
    if request.method == "POST":
        typed = _typed(request)
        try:
            actor = person(request).email
            saved = add_rule(typed, actor) if rule is None else change_rule(rule.pk, typed, actor)
        except SettingsRefused as refused:
            problems = refused.problems
        except NotPossible as reason:
            messages.error(request, translated(str(reason)))
            return redirect("pages:delivery-rules")
        else:
            messages.success(request, _("Rule saved. It holds for messages that are handed in from now on."))
            return redirect(f"{reverse('pages:delivery-rules')}#rule-{saved.pk}")
    return _form_page(request, rule, typed, problems)


def _form_page(
    request: HttpRequest, rule: DeliveryRule | None, typed: dict[str, Any], problems: list[FieldError]
) -> HttpResponse:
    context = {
        "crumbs": [*_CRUMBS, (_LIST, "/delivery-rules"), (_("Change rule") if rule else _("Add rule"), "")],
        "rule": rule,
        "typed": typed,
        "lines": {name: "\n".join(typed.get(name) or ()) for name in ("recipient_domains", "senders", "tags")},
        "problems": {problem.field: problem.text for problem in problems},
        "summary": [(problem.field, _LABELS[problem.field], problem.text) for problem in problems],
        "servers": servers_in_order(),
        "purposes": PURPOSES.items(),
        "tokens": ApiToken.objects.filter(revoked_at=None).order_by("name"),
        "opens": any(typed.get(name) for name in _FOLDED) or typed.get("enabled") is False,
        "most_attempts": ATTEMPTS,
        "most_name": NAME_CHARACTERS,
    }
    return render(request, "pages/delivery_rule.html", context, status=422 if problems else 200)


def _typed(request: HttpRequest) -> dict[str, Any]:
    post = request.POST
    number = post.get("min_attempts", "").strip()
    return {
        "name": post.get("name", "").strip()[:1_000],
        "server": post.get("server", "")[:26],
        "purposes": post.getlist("purposes")[:10],
        "clients": post.getlist("clients")[:1_000],
        **{name: _values(post.get(name, ""), r"[\s,;]+") for name in ("recipient_domains", "senders")},
        "tags": _values(post.get("tags", ""), r"[\r\n]+"),
        "min_attempts": _number(number),
        "only": "only" in post,
        "enabled": post.get("enabled") != "no",
    }


def _number(text: str) -> int:
    """0 for nothing, -1 for what is no number."""
    if not text:
        return 0
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1


def _values(text: str, between: str) -> list[str]:
    return [value.strip() for value in re.split(between, text[:_TYPED_CHARACTERS]) if value.strip()]
