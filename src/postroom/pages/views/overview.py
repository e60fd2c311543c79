"""The overview: set-up until it is done, then how mail is doing."""

from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from postroom.flow.users.first_start import hide_checklist
from postroom.pages.access import administrator_only, person
from postroom.pages.queries import checklist
from postroom.pages.queries import overview as queries
from postroom.pages.queries.deliveries_chart import DeliveriesChart
from postroom.pages.queries.period import Period, choices
from postroom.pages.queries.queue_chart import QueueChart
from postroom.pages.queries.server_strips import strips
from postroom.pages.queries.top_causes import top_causes
from postroom.pages.queries.upcoming import upcoming
from postroom.store import tallied

REFRESH_S = 20
TABLES = ("deliveries", "queue")


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The page, or for htmx the part of it that changes; 204 when that is as the page shows it already."""
    period, table = Period.of(request.GET.get("period", "")), request.GET.get("table", "")
    context: dict[str, Any] = {
        "crumbs": [(_("Overview"), "")],
        "period": period,
        "periods": choices(),
        "table": table if table in TABLES else "",
        "refresh_s": REFRESH_S,
    }
    # Without the request: what the frame shows is read once, for the page.
    shown = context | _numbers(period) | {"user": request.user}
    work = render_to_string("pages/parts/overview_numbers.html", shown)
    context |= {"work": work, "seen": sha256(work.encode()).hexdigest()[:16]}
    if request.headers.get("HX-Request") != "true" or "HX-History-Restore-Request" in request.headers:
        response = render(request, "pages/overview.html", context | _setting_up(request))
    elif request.GET.get("seen") == context["seen"]:
        response = HttpResponse(status=204)
    else:
        response = render(request, "pages/parts/overview_work.html", context)
    response["Vary"] = "HX-Request, Cookie"
    return response


def _numbers(period: Period) -> dict[str, Any]:
    counts = tallied.counts(period.bounds)
    shown = strips(period, counts)
    servers = {strip.server.pk: strip.server for strip in shown}
    return {
        "has_messages": queries.has_messages(),
        "today": queries.today(),
        "waiting": queries.waiting(),
        "deliveries": DeliveriesChart.of(period, counts),
        "queue": QueueChart.of(period, tallied.depths(period.bounds)),
        "strips": shown,
        "upcoming": upcoming(),
        "causes": top_causes(tallied.causes_since(period.since), servers),
    }


def _setting_up(request: HttpRequest) -> dict[str, Any]:
    """The checklist while it is needed; a page that is long set up asks nothing of it."""
    if checklist.is_hidden():
        return {"setting_up": False}
    server = checklist.configured_server()
    steps = checklist.checklist(server)
    done = sum(1 for step in steps if step.state == "done")
    return {
        "setting_up": done < len(steps),
        "steps": steps,
        "done": done,
        "left_words": checklist.left_words(len(steps) - done),
        "first_name": (person(request).name.split() or [""])[0],
        "server": server,
        "address": settings.PUBLIC_URL,
    }


@administrator_only
@require_POST
def hide(_request: HttpRequest) -> HttpResponse:
    hide_checklist()
    return redirect("pages:overview")
