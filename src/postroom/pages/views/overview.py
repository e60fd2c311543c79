"""The overview: set-up until it is done, then how mail is doing."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from postroom.flow.first_start import hide_checklist
from postroom.pages.access import administrator_only, person
from postroom.pages.queries import overview as queries
from postroom.pages.queries.servers import server_rows

_LEFT = {0: "", 1: "One step is left", 2: "Two steps are left", 3: "Three steps are left"}


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    steps = queries.checklist()
    done = sum(1 for step in steps if step.state == "done")
    setting_up = done < len(steps) and not queries.is_hidden()
    sent = queries.sent_today_by_server()
    context = {
        "crumbs": [("Overview", "")],
        "steps": steps,
        "done": done,
        "setting_up": setting_up,
        "left_words": _LEFT.get(len(steps) - done, ""),
        "first_name": (person(request).name.split() or [""])[0],
        "server": queries.configured_server(),
        "today": queries.today(),
        "has_messages": queries.has_messages(),
        "rows": [(row, sent.get(row.server.pk, 0)) for row in server_rows()],
        "address": settings.PUBLIC_URL,
    }
    return render(request, "pages/overview.html", context)


@administrator_only
@require_POST
def hide(_request: HttpRequest) -> HttpResponse:
    hide_checklist()
    return redirect("pages:overview")
