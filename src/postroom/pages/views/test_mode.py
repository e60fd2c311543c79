"""Test mode of the whole site and of a server: switched on until a time, and off."""

from datetime import datetime, timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from postroom.flow.acceptance.test_mode import (
    LONGEST,
    USUAL,
    clear_for_server,
    clear_for_site,
    server_test_mode,
    set_for_server,
    set_for_site,
    site_test_mode,
)
from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.pages.access import administrator_only, person
from postroom.store.models import SmtpServer

from .smtp_servers import CRUMBS

_TYPED = "%Y-%m-%dT%H:%M"


@administrator_only
@require_http_methods(["GET", "HEAD", "POST"])
def site(request: HttpRequest) -> HttpResponse:
    return _answer(request, None)


@administrator_only
@require_http_methods(["GET", "HEAD", "POST"])
def server(request: HttpRequest, server_id: str) -> HttpResponse:
    return _answer(request, get_object_or_404(SmtpServer, pk=server_id))


def _answer(request: HttpRequest, row: SmtpServer | None) -> HttpResponse:
    if request.method != "POST":
        typed = {"address": person(request).email, "until": _local(timezone.now() + USUAL)}
        return _page(request, row, typed, {}, 200)
    if request.POST.get("do") == "off":
        return _off(request, row)
    typed = {name: request.POST.get(name, "").strip()[:320] for name in ("address", "until")}
    until = _time_of(typed["until"])
    problems = {} if until is not None else {"until": _("Enter the day and the time at which test mode ends.")}
    if until is not None:
        problems = _on(request, row, typed["address"], until)
    return _page(request, row, typed, problems, 422) if problems else redirect(_back(row))


def _on(request: HttpRequest, row: SmtpServer | None, address: str, until: datetime) -> dict[str, str]:
    """Switch it on; the problems by field where that is refused."""
    actor, now = person(request).email, timezone.now()
    try:
        if row is None:
            set_for_site(address, until, actor, now)
        else:
            set_for_server(row.pk, address, until, actor, now)
    except SettingsRefused as refused:
        return {problem.field: translated(problem.text) for problem in refused.problems}
    messages.success(request, _("Test mode is on."))
    return {}


def _off(request: HttpRequest, row: SmtpServer | None) -> HttpResponse:
    try:
        if row is None:
            clear_for_site(person(request).email)
        else:
            clear_for_server(row.pk, person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    else:
        messages.success(request, _("Test mode is off: mail goes to its recipients again."))
    return redirect(_back(row))


def _page(
    request: HttpRequest, row: SmtpServer | None, typed: dict[str, str], problems: dict[str, str], status: int
) -> HttpResponse:
    mode = site_test_mode() if row is None else server_test_mode(row)
    labels = {"address": _("Send everything to"), "until": _("Until")}
    parent = [(_("Administration"), ""), (_("System"), ""), (_("Instance"), reverse("pages:instance"))]
    context = {
        "crumbs": [*(parent if row is None else (*CRUMBS, (row.name, ""))), (_("Test mode"), "")],
        "server": row, "mode": mode if mode is not None and mode.is_on(timezone.now()) else None,
        "typed": typed, "problems": problems, "back": _back(row),
        "summary": [(field, labels[field], text) for field, text in problems.items()],
        "earliest": _local(timezone.now()), "latest": _local(timezone.now() + LONGEST - timedelta(minutes=1)),
        "zone": timezone.get_current_timezone_name(),
    }
    return render(request, "pages/test_mode.html", context, status=status)


def _back(row: SmtpServer | None) -> str:
    return reverse("pages:instance" if row is None else "pages:smtp-servers")


def _local(at: datetime) -> str:
    return timezone.localtime(at).strftime(_TYPED)


def _time_of(text: str) -> datetime | None:
    """A local time of a datetime-local field in the reader's zone."""
    try:
        at = parse_datetime(text)
        return timezone.make_aware(at) if at is not None and timezone.is_naive(at) else None
    except (ValueError, OverflowError):
        return None
