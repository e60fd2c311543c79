"""The SMTP activity log of a day."""

from datetime import UTC, date, datetime
from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from postroom.pages.queries import activity as queries


@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    days = queries.days()
    today = datetime.now(UTC).date()
    on = _day(request.GET.get("day", "")) or (days[0] if days else today)
    wanted = queries.Filter.from_query(request.GET)
    log = queries.read(on, wanted)
    context: dict[str, Any] = {
        "crumbs": [("SMTP activity log", "")],
        "days": days,
        "day": on,
        "log": log,
        "wanted": wanted,
        "is_filtered": wanted != queries.Filter(),
        "has_file": on in days,
    }
    return render(request, "pages/activity.html", context)


@require_safe
def download(_request: HttpRequest, day: str) -> HttpResponseBase:
    on = _day(day)
    path = queries.file_of(on) if on else None
    if path is None or not path.is_file():
        raise Http404("no log of this day")
    name = f"smtp-activity-{day}.jsonl"
    return FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type="application/x-ndjson")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
