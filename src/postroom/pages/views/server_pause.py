"""Pause a server until somebody resumes it, or until a time; and resume it."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import SettingsRefused
from postroom.flow.servers.server_pause import REASON_CHARACTERS, pause_server, resume_server
from postroom.pages.access import administrator_only, person
from postroom.store.models import SmtpServer

from .smtp_servers import CRUMBS


@administrator_only
@require_http_methods(["GET", "POST"])
def pause(request: HttpRequest, server_id: str) -> HttpResponse:
    server = get_object_or_404(SmtpServer, pk=server_id)
    typed = {name: request.POST.get(name, "")[:1_000] for name in ("how_long", "until", "reason")}
    problems: dict[str, str] = {}
    if request.method == "POST":
        until = _time_of(typed["until"]) if typed["how_long"] == "until" else None
        if typed["how_long"] == "until" and until is None:
            problems = {"until": _("Enter the day and the time at which deliveries go on.")}
        else:
            problems = _paused(request, server, until, typed["reason"])
        if not problems:
            return redirect("pages:smtp-servers")
    return _page(request, server, typed, problems)


@administrator_only
@require_POST
def resume(request: HttpRequest, server_id: str) -> HttpResponse:
    server = get_object_or_404(SmtpServer, pk=server_id)
    resume_server(server, person(request).email)
    messages.success(request, _("%(name)s is no longer paused.") % {"name": server.name})
    return redirect("pages:smtp-servers")


def _paused(request: HttpRequest, server: SmtpServer, until: datetime | None, reason: str) -> dict[str, str]:
    """Pause; the problems by field where that is refused."""
    try:
        pause_server(server, until=until, reason=reason, actor=person(request).email)
    except SettingsRefused as refused:
        return {problem.field: translated(problem.text) for problem in refused.problems}
    messages.success(request, _("%(name)s is paused and takes no deliveries.") % {"name": server.name})
    return {}


def _time_of(text: str) -> datetime | None:
    """A local time of a datetime-local field in the reader's zone."""
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return timezone.make_aware(at) if at is not None and timezone.is_naive(at) else at


def _page(
    request: HttpRequest, server: SmtpServer, typed: dict[str, Any], problems: dict[str, str]
) -> HttpResponse:
    context = {
        "server": server,
        "typed": typed,
        "problems": problems,
        "most": REASON_CHARACTERS,
        "zone": timezone.get_current_timezone_name(),
        "earliest": f"{timezone.localtime():%Y-%m-%dT%H:%M}",
        "crumbs": [*CRUMBS, (_("Pause server"), "")],
    }
    return render(request, "pages/smtp_server_pause.html", context, status=422 if problems else 200)
