"""Webhooks: the list, adding one, changing one."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.webhooks.webhooks import NAME_CHARACTERS, URL_CHARACTERS, add_webhook, change_webhook
from postroom.pages import shown_once
from postroom.pages.access import administrator_only, person
from postroom.pages.queries.message_filters import PURPOSES
from postroom.pages.queries.webhooks import GROUPS, webhook_views
from postroom.store.models import Webhook
from postroom.terms.problem import FieldError

CRUMBS = [(gettext_lazy("Administration"), ""), (gettext_lazy("Who is told"), "")]
LIST = gettext_lazy("Webhooks")
_LABELS = {
    "name": gettext_lazy("Name"), "url": gettext_lazy("Address"), "events": gettext_lazy("Events"),
    "tags": gettext_lazy("Tags"), "purposes": gettext_lazy("Purposes"),
}


@require_safe
def webhooks(request: HttpRequest) -> HttpResponse:
    """Everybody may read the list."""
    return render(request, "pages/webhooks.html", {"crumbs": [*CRUMBS, (LIST, "")], "views": webhook_views()})


@administrator_only
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new_webhook(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _form(request, None, {"every": True}, [])
    typed = _typed(request)
    try:
        row, secret = add_webhook(_values(typed), person(request).email)
    except SettingsRefused as refused:
        return _form(request, None, typed, refused.problems)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:webhooks")
    shown_once.keep(request, f"webhook:{row.pk}", secret)
    return redirect("pages:webhook", row.pk)


@administrator_only
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit_webhook(request: HttpRequest, webhook_id: str) -> HttpResponse:
    row = get_object_or_404(Webhook, pk=webhook_id)
    if request.method != "POST":
        usual = {
            "name": row.name, "url": row.url, "events": row.events, "every": not row.events,
            "tags": "\n".join(row.tags), "purposes": row.purposes,
        }
        return _form(request, row, usual, [])
    typed = _typed(request)
    try:
        change_webhook(row.pk, _values(typed), person(request).email)
    except SettingsRefused as refused:
        return _form(request, row, typed, refused.problems)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:webhooks")
    messages.success(request, _("Saved. It holds for what happens from now on."))
    return redirect("pages:webhook", row.pk)


def _typed(request: HttpRequest) -> dict[str, Any]:
    post = request.POST
    return {
        "name": post.get("name", "")[:1_000], "url": post.get("url", "")[:5_000], "every": post.get("which") != "some",
        "events": post.getlist("events")[:100], "tags": post.get("tags", "")[:5_000],
        "purposes": post.getlist("purposes")[:10],
    }


def _values(typed: dict[str, Any]) -> dict[str, Any]:
    """By API name. Nobody who chose none means every one."""
    events = [] if typed["every"] else typed["events"] or [""]
    tags = [tag.strip() for tag in typed["tags"].splitlines() if tag.strip()]
    return {
        "name": typed["name"], "url": typed["url"], "events": events, "tags": tags, "purposes": typed["purposes"],
    }


def _form(
    request: HttpRequest, row: Webhook | None, typed: dict[str, Any], problems: list[FieldError]
) -> HttpResponse:
    here = (_("Change webhook"), "") if row else (_("Add webhook"), "")
    above = [(row.name, reverse("pages:webhook", args=[row.pk]))] if row else []
    texts = {problem.field: problem.text for problem in problems}
    if "events" in texts and not typed.get("events"):
        texts["events"] = _("Choose at least one event, or every event.")
    context = {
        "crumbs": [*CRUMBS, (LIST, reverse("pages:webhooks")), *above, here],
        "row": row, "typed": typed, "groups": GROUPS, "problems": texts,
        "purposes": PURPOSES.items(),
        "summary": [(field, _LABELS.get(field, field), text) for field, text in texts.items()],
        "most_name": NAME_CHARACTERS, "most_url": URL_CHARACTERS,
    }
    return render(request, "pages/webhook_form.html", context, status=422 if problems else 200)
