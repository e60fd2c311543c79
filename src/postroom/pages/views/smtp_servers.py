"""The list SMTP configuration and what can be done to a saved server."""

from collections import Counter

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow import configure
from postroom.flow.server_order import set_default
from postroom.flow.server_pause import set_enabled
from postroom.pages.access import administrator_only, person
from postroom.pages.queries.servers import server_rows, unsaved_test
from postroom.policy.route import route
from postroom.store.models import SmtpServer

CRUMBS = [("Administration", ""), ("System", ""), ("SMTP configuration", "/smtp-servers")]
_FILTERS = ("verified", "unverified", "failing", "paused", "disabled")


@require_safe
def smtp_servers(request: HttpRequest) -> HttpResponse:
    rows = server_rows()
    counts = Counter(row.state for row in rows)
    chosen = request.GET.get("state", "")
    tabs = [(state, counts[state]) for state in _FILTERS if counts[state]]
    context = {
        "crumbs": [*CRUMBS[:-1], ("SMTP configuration", "")],
        "rows": [row for row in rows if not chosen or row.state == chosen],
        "total": len(rows),
        "tabs": tabs,
        "chosen": chosen,
        "has_real_server": any(not row.server.is_sandbox for row in rows),
        "unsaved": unsaved_test(person(request).email, timezone.now()),
        "takes_mail": route(row.server.candidate for row in rows) is not None,
        "failing_default": next((r for r in rows if r.server.is_default and r.state == "failing"), None),
    }
    return render(request, "pages/smtp_servers.html", context)


@administrator_only
@require_POST
def test_saved(request: HttpRequest, server_id: str) -> HttpResponse:
    server = get_object_or_404(SmtpServer, pk=server_id)
    send = request.POST.get("send") != "no"
    try:
        test = configure.start_saved_test(server, send=send, actor=person(request).email)
    except configure.SettingsRefused as refused:
        messages.error(request, f"{server.name} cannot be tested as it is. {refused.problems[0].text}")
        return redirect("pages:smtp-server", server.pk)
    return redirect("pages:smtp-test", test.pk)


@administrator_only
@require_POST
def switch(request: HttpRequest, server_id: str) -> HttpResponse:
    server = get_object_or_404(SmtpServer, pk=server_id)
    on = request.POST.get("enabled") == "yes"
    set_enabled(server, on, person(request).email)
    messages.success(request, f"{server.name} is switched {'on' if on else 'off and takes no deliveries'}.")
    return redirect("pages:smtp-servers")


@administrator_only
@require_POST
def make_default(request: HttpRequest, server_id: str) -> HttpResponse:
    server = get_object_or_404(SmtpServer, pk=server_id)
    try:
        set_default(server, person(request).email)
    except configure.NotPossible as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, f"{server.name} is now the default.")
    return redirect("pages:smtp-servers")


@administrator_only
@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, server_id: str) -> HttpResponse:
    """Cannot be undone, so the name is typed."""
    server = get_object_or_404(SmtpServer, pk=server_id)
    typed = request.POST.get("name", "").strip()
    if request.method == "POST" and typed == server.name:
        configure.delete_server(server, person(request).email)
        messages.success(request, f"{server.name} is deleted.")
        return redirect("pages:smtp-servers")
    context = {
        "server": server,
        "typed": typed,
        "refused": request.method == "POST",
        "crumbs": [*CRUMBS, ("Delete server", "")],
    }
    return render(request, "pages/smtp_server_delete.html", context, status=422 if context["refused"] else 200)
