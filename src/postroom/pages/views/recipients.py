"""Recipients: the list, adding and changing one, removing and putting back."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from postroom.flow.domains.recipient_domains import allowed_domains
from postroom.flow.instance.instance import site, time_zones
from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.recipients.recipient_book import (
    add_recipient,
    change_recipient,
    put_back_recipients,
    remove_recipients,
)
from postroom.pages.access import operator_only, person
from postroom.pages.forms.recipient import EMPTY, LABELS, shown_recipient, typed_recipient
from postroom.pages.queries.recipients import recipient_page
from postroom.store.models import Recipient, RecipientGroup, User
from postroom.terms.problem import FieldError

_LIST = gettext_lazy("Recipients")


@require_http_methods(["GET", "HEAD", "POST"])
def recipients(request: HttpRequest) -> HttpResponse:
    """Everybody who gets mail; the form adds somebody."""
    if request.method != "POST":
        return _page(request, EMPTY, [])
    answer: HttpResponse = _add(request)
    return answer


@operator_only
def _add(request: HttpRequest) -> HttpResponse:
    typed = typed_recipient(request.POST)
    try:
        row = add_recipient(typed, person(request).email, typed["groups"])
    except SettingsRefused as refused:
        return _page(request, typed, refused.problems)
    messages.success(request, _("%(address)s is a recipient now.") % {"address": row.address})
    return redirect("pages:recipients")


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def recipient(request: HttpRequest, recipient_id: str) -> HttpResponse:
    row = get_object_or_404(Recipient, pk=recipient_id)
    if request.method != "POST":
        return _form(request, row, shown_recipient(row), [])
    typed = typed_recipient(request.POST, row.values)
    try:
        row = change_recipient(row.pk, typed, person(request).email, typed["groups"])
    except SettingsRefused as refused:
        return _form(request, row, typed, refused.problems)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:recipients")
    messages.success(request, _("%(name)s is saved.") % {"name": row.name or row.address})
    return redirect("pages:recipients")


@operator_only
@require_POST
def remove(request: HttpRequest, recipient_id: str) -> HttpResponse:
    try:
        removal = remove_recipients([recipient_id], person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:recipients")
    return redirect(f"{reverse('pages:recipients')}?removed={removal}")


@operator_only
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Put a removed recipient back."""
    try:
        put_back_recipients(request.POST.get("removal", ""), person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    else:
        messages.success(request, _("The recipient is back, in groups and subscriptions too."))
    return redirect("pages:recipients")


def _page(request: HttpRequest, typed: Any, problems: list[FieldError]) -> HttpResponse:
    context = {
        "crumbs": [(_LIST, "")], "page": recipient_page(request.GET), "domains": allowed_domains().patterns,
        "may_operate": person(request).role != User.Role.VIEWER, "removed": request.GET.get("removed", "")[:26],
        **_fields(typed, problems),
    }
    return render(request, "pages/recipients.html", context, status=422 if problems else 200)


def _form(request: HttpRequest, row: Recipient, typed: Any, problems: list[FieldError]) -> HttpResponse:
    called = row.name or row.address
    context = {
        "crumbs": [(_LIST, reverse("pages:recipients")), (called, "")], "row": row, "called": called,
        **_fields(typed, problems),
    }
    return render(request, "pages/recipient.html", context, status=422 if problems else 200)


def _fields(typed: Any, problems: list[FieldError]) -> dict[str, Any]:
    folded = ("language", "time_zone", "values", "groups")
    return {
        "typed": typed, "problems": {problem.field: problem.text for problem in problems},
        "summary": [(problem.field, LABELS[problem.field], problem.text) for problem in problems],
        "groups": RecipientGroup.objects.all(), "zones": time_zones(typed.get("time_zone") or "UTC"), "home": site(),
        "opens": any(problem.field in folded for problem in problems),
    }
