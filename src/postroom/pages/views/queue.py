"""Queue and limits: what waits for each server and why, and what can be done about it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from postroom.flow.delivery.queue_hold import hold_waiting, holds, release_hold
from postroom.flow.servers.waiting_mail import try_waiting_now
from postroom.pages import words
from postroom.pages.access import operator_only, person
from postroom.pages.queries.messages import names_of
from postroom.pages.queries.queue import queue_rows
from postroom.store.heartbeat import engine_is_running
from postroom.store.models import SmtpServer, User


@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """The page; to htmx only what changes by itself. Everybody may read it."""
    template = "pages/parts/queue_work.html" if "HX-Request" in request.headers else "pages/queue.html"
    return render(request, template, _context(request))


@operator_only
@require_POST
def hold(request: HttpRequest) -> HttpResponse:
    """Hold what waits for one server, or for all; the page then offers to release it."""
    held = hold_waiting(_server(request), person(request).email)
    if not held.deliveries:
        messages.error(request, _("Nothing waits here that could be held."))
    return redirect("pages:queue")


@operator_only
@require_POST
def release(request: HttpRequest) -> HttpResponse:
    released = release_hold(request.POST.get("hold", ""), person(request).email)
    text = ngettext("%(n)s delivery waits again.", "%(n)s deliveries wait again.", released)
    messages.success(request, text % {"n": words.number(released)})
    return redirect("pages:queue")


@operator_only
@require_POST
def try_now(request: HttpRequest) -> HttpResponse:
    """Have what waits for its next try leave as soon as limits allow."""
    hurried = try_waiting_now(_server(request), person(request).email)
    text = ngettext("%(n)s delivery is tried again now.", "%(n)s deliveries are tried again now.", hurried)
    messages.success(request, text % {"n": words.number(hurried)})
    return redirect("pages:queue")


def _server(request: HttpRequest) -> SmtpServer | None:
    server_id = request.POST.get("server", "")
    return get_object_or_404(SmtpServer, pk=server_id) if server_id else None


def _context(request: HttpRequest) -> dict[str, Any]:
    rows, held = queue_rows(), holds()
    names = names_of(each.by for each in held)
    return {
        "crumbs": [(_("Queue and limits"), "")],
        "rows": rows,
        "due": sum(row.queue.due for row in rows),
        "waiting": sum(row.queue.waiting for row in rows),
        "holds": [(each, names.get(each.by, each.by)) for each in held],
        "running": engine_is_running(),
        "may_operate": person(request).role in (User.Role.ADMINISTRATOR, User.Role.OPERATOR),
    }
