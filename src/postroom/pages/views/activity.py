"""The SMTP activity log of a day."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from postroom.pages.queries import activity as queries
from postroom.pages.queries.activity_calendar import calendar_of
from postroom.pages.queries.activity_download import DayLines, FittingLines
from postroom.pages.queries.activity_filters import Asked


@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    """The page, or for htmx what the filters change of it."""
    asked = Asked.of(request.GET)
    log = queries.read(asked)
    context: dict[str, Any] = {
        "crumbs": [(_("SMTP activity log"), "")],
        "asked": asked,
        "log": log,
        "calendar": calendar_of(asked, queries.log_folder()),
        "is_live": asked.is_today and asked.live and asked.before is None,
    }
    is_part = request.headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in request.headers
    response = render(request, "pages/parts/activity_log.html" if is_part else "pages/activity.html", context)
    response["Vary"] = "HX-Request, Cookie"
    return response


@require_safe
def tail(request: HttpRequest) -> HttpResponse:
    """How many entries came since the page was made; asked every few seconds."""
    asked = Asked.of(request.GET)
    known = request.GET.get("known", "")
    count = queries.newer(asked, queries.known_of(known))
    return render(request, "pages/parts/activity_tail.html", {"asked": asked, "known": known, "newer": count})


@require_safe
def download(request: HttpRequest, day: str) -> HttpResponseBase:
    """The day's lines as they are, or with `as=csv` those that fit the filters."""
    query = request.GET.copy()
    query["day"] = day
    asked = Asked.of(query)
    if asked.day.isoformat() != day:
        raise Http404("no such day")
    if request.GET.get("as") == "csv":
        return _file(FittingLines(asked).next_part, f"smtp-activity-{day}.csv", "text/csv; charset=utf-8")
    lines = DayLines(asked.bounds)
    if not lines.is_there:
        raise Http404("no log of this day")
    return _file(lines.next_part, f"smtp-activity-{day}.jsonl", "application/x-ndjson")


def _file(next_part: Callable[[], bytes], name: str, kind: str) -> HttpResponseBase:
    header = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(_parts(next_part), content_type=kind, headers=header)


async def _parts(next_part: Callable[[], bytes]) -> AsyncIterator[bytes]:
    """Part by part: the next is read when the client has taken the one before."""
    while part := await sync_to_async(next_part)():
        yield part
