"""The list SMTP configuration and what can be done to a saved server."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.instance.instance import site
from postroom.flow.instance.reader import translated
from postroom.flow.servers import configure
from postroom.flow.servers.check_server import check_all
from postroom.flow.servers.server_order import set_default
from postroom.flow.servers.server_pause import set_enabled
from postroom.pages.access import administrator_only, person
from postroom.pages.queries.server_traffic import mail_of_default
from postroom.pages.queries.servers import ServerRow, server_rows, unsaved_test
from postroom.policy.nightly import AT
from postroom.policy.route import route
from postroom.store.models import SmtpServer

_LIST = gettext_lazy("SMTP configuration")
CRUMBS = [(gettext_lazy("Administration"), ""), (gettext_lazy("System"), ""), (_LIST, "/smtp-servers")]
_FILTERS = ("verified", "unverified", "failing", "paused", "disabled", "testing")


@require_safe
def smtp_servers(request: HttpRequest) -> HttpResponse:
    """The page; to htmx only what changes while servers are tested."""
    template = "pages/parts/smtp_servers_work.html" if "HX-Request" in request.headers else "pages/smtp_servers.html"
    return render(request, template, list_context(request, request.GET.get("order") == "yes"))


def list_context(request: HttpRequest, changes_order: bool) -> dict[str, Any]:
    """What the list shows; `changes_order` in the mode in which the order is changed."""
    now = timezone.now()
    rows = server_rows(now)
    counts = Counter(row.state for row in rows)
    real = [row for row in rows if not row.server.is_sandbox]
    changing = changes_order and person(request).is_administrator and len(real) > 1
    chosen = "" if changing else request.GET.get("state", "")
    zone = site().zone
    return {
        "crumbs": [*CRUMBS[:-1], (_LIST, "")],
        "rows": [row for row in rows if not chosen or row.state == chosen],
        "total": len(rows),
        "last_rank": real[-1].rank if real else 0,
        "tabs": [(state, counts[state]) for state in _FILTERS if counts[state]],
        "chosen": chosen,
        "changing": changing,
        "is_part": "HX-Request" in request.headers,
        "can_change_order": len(real) > 1,
        "has_real_server": bool(real),
        "testing": counts["testing"],
        "tested": sum(1 for row in real if row.server.enabled) - counts["testing"],
        "unsaved": unsaved_test(person(request).email, now),
        "takes_mail": route(row.server.candidate for row in rows) is not None,
        "night": f"{AT:%H:%M}",
        "night_zone": "" if str(zone) == timezone.get_current_timezone_name() else str(zone),
        **_failing_default(rows),
    }


def _failing_default(rows: list[ServerRow]) -> dict[str, Any]:
    """The default that fails, and where its mail is; nothing while it does not."""
    first = next((row for row in rows if row.server.is_default and row.server.state == "failing"), None)
    since: datetime | None = first.server.failing_since if first else None
    if first is None or since is None or not first.server.enabled:
        return {"failing_default": None}
    return {"failing_default": first, "mail": mail_of_default(first.server, [row.server for row in rows], since)}


@administrator_only
@require_POST
def test_saved(request: HttpRequest, server_id: str) -> HttpResponse:
    server = get_object_or_404(SmtpServer, pk=server_id)
    send = request.POST.get("send") != "no"
    try:
        test = configure.start_saved_test(server, send=send, actor=person(request).email)
    except configure.SettingsRefused as refused:
        text = _("%(name)s cannot be tested as it is. %(problem)s")
        messages.error(request, text % {"name": server.name, "problem": translated(refused.problems[0].text)})
        return redirect("pages:smtp-server", server.pk)
    return redirect("pages:smtp-test", test.pk)


@administrator_only
@require_POST
def test_all(request: HttpRequest) -> HttpResponse:
    """Check the connection of each; the list shows how far that is."""
    tests = check_all(person(request).email)
    if not tests:
        messages.error(request, _("No server is switched on that is not being tested already."))
    return redirect("pages:smtp-servers")


@administrator_only
@require_POST
def switch(request: HttpRequest, server_id: str) -> HttpResponse:
    server = get_object_or_404(SmtpServer, pk=server_id)
    on = request.POST.get("enabled") == "yes"
    set_enabled(server, on, person(request).email)
    if on:
        messages.success(request, _("%(name)s is switched on.") % {"name": server.name})
    else:
        messages.success(request, _("%(name)s is switched off and takes no deliveries.") % {"name": server.name})
    return redirect("pages:smtp-servers")


@administrator_only
@require_POST
def make_default(request: HttpRequest, server_id: str) -> HttpResponse:
    server = get_object_or_404(SmtpServer, pk=server_id)
    try:
        set_default(server, person(request).email)
    except configure.NotPossible as reason:
        messages.error(request, translated(str(reason)))
    else:
        messages.success(request, _("%(name)s is now the default.") % {"name": server.name})
    return redirect("pages:smtp-servers")


@administrator_only
@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, server_id: str) -> HttpResponse:
    """Cannot be undone, so the name is typed."""
    server = get_object_or_404(SmtpServer, pk=server_id)
    typed = request.POST.get("name", "").strip()
    if request.method == "POST" and typed == server.name:
        configure.delete_server(server, person(request).email)
        messages.success(request, _("%(name)s is deleted.") % {"name": server.name})
        return redirect("pages:smtp-servers")
    context = {
        "server": server,
        "typed": typed,
        "refused": request.method == "POST",
        "crumbs": [*CRUMBS, (_("Delete server"), "")],
    }
    return render(request, "pages/smtp_server_delete.html", context, status=422 if context["refused"] else 200)
