"""A report by the link in a message: for whoever has the link, without signing in and without a cookie, for a time."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from postroom.flow.reports.report_link import linked_report, note_fetch
from postroom.flow.reports.stored_report import report_content
from postroom.pages import guess_limit
from postroom.store.blobs import DamagedBlob
from postroom.store.models import StoredReport

# A file is only ever saved, and were it shown it could do nothing (W10).
_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


@login_not_required
@never_cache
@require_safe
def report_link(request: HttpRequest, token: str) -> HttpResponseBase:
    """The report as a download; a page that says why where the link is over or none."""
    linked = linked_report(token, timezone.now())
    if linked is None:
        return _guessed(request)
    if linked.report is None:
        text = _("Reports behind links are kept for a limited time. Ask whoever sent you the message for a new one.")
        return _said(request, _("This link has expired"), text, 410)
    return _download(request, token, linked.report)


def _guessed(request: HttpRequest) -> HttpResponse:
    if not guess_limit.may_guess(request):
        text = _("Too many links that were not made here came from your network. Wait five minutes, then try again.")
        answer = _said(request, _("Wait a little"), text, 429)
        answer["Retry-After"] = str(guess_limit.WINDOW_S)
        return answer
    guess_limit.note_wrong(request)
    text = _("This link is not complete, or it was not made here. Use the link in the message as it is.")
    return _said(request, _("There is no report here"), text, 404)


def _download(request: HttpRequest, token: str, report: StoredReport) -> HttpResponseBase:
    chunks = report_content(report).chunks()
    try:
        first = next(chunks, b"")
    except DamagedBlob:
        text = _("The report is no longer stored. Ask whoever sent you the message for a new one.")
        return _said(request, _("The report is gone"), text, 410)
    answer: HttpResponseBase
    if request.method == "HEAD":
        answer = HttpResponse()
    else:
        note_fetch(token)
        answer = StreamingHttpResponse(_parts(first, chunks))
    answer["Content-Type"] = report.media_type
    answer["Content-Length"] = str(report.size_bytes)
    answer["Content-Disposition"] = content_disposition_header(True, report.file_name) or "attachment"
    answer["Content-Security-Policy"] = _POLICY
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Referrer-Policy"] = "no-referrer"
    return answer


async def _parts(first: bytes, rest: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Piece by piece: the next is read when the client has taken the one before."""
    part = first
    while part:
        yield part
        part = await asyncio.to_thread(next, rest, b"")


def _said(request: HttpRequest, title: str, text: str, status: int) -> HttpResponse:
    return render(request, "pages/report_link.html", {"title": title, "text": text}, status=status)
