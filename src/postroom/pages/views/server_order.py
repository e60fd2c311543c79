"""Move a server up or down in the order, and back."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.servers.server_order import move_server, servers_in_order
from postroom.pages.access import administrator_only, person
from postroom.store.models import SmtpServer

from .smtp_servers import list_context

_MOST = 10_000


@administrator_only
@require_POST
def move(request: HttpRequest, server_id: str) -> HttpResponse:
    """Answers htmx with the list alone, everybody else with the page; either says what moved and offers it back."""
    server = get_object_or_404(SmtpServer, pk=server_id)
    typed = request.POST.get("to", "")
    to = min(int(typed), _MOST) if typed.isascii() and typed.isdigit() and len(typed) < 9 else 0
    before, problem = None, ""
    try:
        before = move_server(server, to, person(request).email)
        said = _said(server, before)
    except NotPossible as reason:
        said = problem = translated(str(reason))
    if "HX-Request" not in request.headers:
        (messages.error if problem else messages.success)(request, said)
        return redirect(f"{reverse('pages:smtp-servers')}?order=yes")
    moved = {"said": said, "problem": problem, "moved": None if problem else server, "before": before}
    return render(request, "pages/parts/smtp_servers_work.html", {**list_context(request, True), **moved})


def _said(server: SmtpServer, before: int) -> str:
    order = servers_in_order()
    place = next(number for number, row in enumerate(order) if row.pk == server.pk)
    values = {"name": server.name, "place": place + 1, "last": len([row for row in order if not row.is_sandbox])}
    if place == before:
        return _("%(name)s stays at place %(place)d of %(last)d.") % values
    if place == 0:
        return _("%(name)s is now the default, at place 1 of %(last)d.") % values
    return _("%(name)s is now at place %(place)d of %(last)d.") % values
