"""Alerts: what is wrong, what was, and that somebody has taken it on."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from postroom.flow.alerts.alert_conditions.sender_domains import accept_difference
from postroom.flow.alerts.alerts import NOTE_CHARACTERS, acknowledge, open_alerts
from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible
from postroom.pages.access import operator_only, person
from postroom.pages.queries.alerts import Line, history, notices_of, ways
from postroom.store.models import Alert, User


@require_safe
def alerts(request: HttpRequest) -> HttpResponse:
    """The page; to htmx the list of open ones alone."""
    tab = "history" if request.GET.get("tab") == "history" else "open"
    context: dict[str, Any] = {
        "crumbs": [(_("Alerts"), "")], "tab": tab, "may_operate": _may_operate(request), "ways": ways(),
        "lines": [Line(row) for row in open_alerts()] if tab == "open" else [],
        "history": history(request.GET) if tab == "history" else None,
    }
    template = "parts/alerts_open" if "HX-Request" in request.headers and tab == "open" else "alerts"
    return render(request, f"pages/{template}.html", context)


@require_safe
def alert(request: HttpRequest, alert_id: str) -> HttpResponse:
    row = get_object_or_404(Alert.objects.select_related("rule"), pk=alert_id)
    context = {
        "crumbs": [(_("Alerts"), reverse("pages:alerts")), (Line(row).title, "")], "line": Line(row),
        "notices": notices_of(row), "may_operate": _may_operate(request), "most_note": NOTE_CHARACTERS,
    }
    return render(request, "pages/alert.html", context)


@operator_only
@require_POST
def take_on(request: HttpRequest, alert_id: str) -> HttpResponse:
    """Acknowledge it."""
    try:
        acknowledge(alert_id, person(request).email, timezone.now(), request.POST.get("note", ""))
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    else:
        messages.success(request, _("Acknowledged: nobody is reminded any more."))
    return redirect("pages:alerts" if request.POST.get("from") == "list" else reverse("pages:alert", args=[alert_id]))


@operator_only
@require_POST
def accept(request: HttpRequest, alert_id: str) -> HttpResponse:
    """Take what the DNS of the domain says now as right."""
    row = get_object_or_404(Alert, pk=alert_id, kind="domain-drift")
    if accept_difference(row.key, person(request).email, timezone.now()):
        messages.success(request, _("What the DNS says now is right from now on. The alert closes in ten minutes."))
    else:
        messages.info(request, _("There is no difference any more."))
    return redirect("pages:alert", alert_id)


def _may_operate(request: HttpRequest) -> bool:
    return person(request).role != User.Role.VIEWER
