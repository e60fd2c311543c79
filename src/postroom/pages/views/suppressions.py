"""Suppressed recipients: who gets no mail, and why; add, remove, import, export."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import SettingsRefused
from postroom.flow.recipients.suppression import EVERY_LIST, checked_entry, release, suppress
from postroom.flow.recipients.suppression_csv import FILE_BYTES, CsvRefused, csv_parts, import_csv
from postroom.pages import words
from postroom.pages.access import operator_only, person
from postroom.pages.queries.suppressions import line_of, suppressed
from postroom.store import audit
from postroom.store.models import Suppression, User


@require_http_methods(["GET", "HEAD", "POST"])
def suppressions(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, {})
    answer: HttpResponse = _add(request)
    return answer


@operator_only
def _add(request: HttpRequest) -> HttpResponse:
    typed = {name: request.POST.get(name, "").strip()[:600] for name in ("address", "scope", "list", "evidence")}
    lists = {"all": "", "lists": EVERY_LIST, "list": typed["list"] or " "}
    try:
        entry = checked_entry(typed["address"], "manual", lists.get(typed["scope"], ""), typed["evidence"])
    except SettingsRefused as refused:
        problems = {problem.field: problem.text for problem in refused.problems}
        return _page(request, {"typed": typed, "problems": problems}, 422)
    if suppress([entry], actor=person(request).email, now=timezone.now()):
        messages.success(request, _("%(address)s gets no more mail.") % {"address": entry.address})
    else:
        messages.info(request, _("%(address)s was on the list already.") % {"address": entry.address})
    return redirect("pages:suppressions")


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, suppression_id: str) -> HttpResponse:
    row = get_object_or_404(Suppression.objects.select_related("message"), pk=suppression_id)
    why = request.POST.get("why", "").strip()[:500]
    refused = request.method == "POST" and not why
    if request.method == "POST" and not refused:
        release([row.pk], actor=person(request).email, reason=why)
        messages.success(request, _("%(address)s gets mail again.") % {"address": row.address})
        return redirect("pages:suppressions")
    crumbs = [*_crumbs()[:-1], (_("Suppressed recipients"), reverse("pages:suppressions")), (row.address, "")]
    context = {"crumbs": crumbs, "line": line_of(row), "refused": refused}
    return render(request, "pages/suppression_remove.html", context, status=422 if refused else 200)


@operator_only
@require_POST
def take_file(request: HttpRequest) -> HttpResponse:
    file = request.FILES.get("file")
    try:
        if file is None:
            raise CsvRefused(_("Choose a CSV file first."))
        added, known = import_csv(file.read(FILE_BYTES + 1), actor=person(request).email, now=timezone.now())
    except CsvRefused as refused:
        return _page(request, {"problems": {"file": translated(refused.text)}}, 422)
    text = ngettext("%(n)s recipient added", "%(n)s recipients added", added) % {"n": words.number(added)}
    more = ngettext("%(n)s known already", "%(n)s known already", known) % {"n": words.number(known)}
    messages.success(request, f"{text}, {more}.")
    return redirect("pages:suppressions")


@operator_only
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """All of them as CSV. Who took them away is in the audit trail."""
    audit.record(person(request).email, "suppressions.export", "suppressions")
    name = f"suppressed-{timezone.localtime():%Y-%m-%d}.csv"
    header = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(_parts(), content_type="text/csv; charset=utf-8", headers=header)


async def _parts() -> AsyncIterator[str]:
    """Batch by batch, while it is read."""
    parts = csv_parts()
    while (part := await sync_to_async(_next)(parts)) is not None:
        yield part


def _next(parts: Iterator[str]) -> str | None:
    return next(parts, None)


def _crumbs() -> list[tuple[str, str]]:
    return [(_("Suppressed recipients"), "")]


def _page(request: HttpRequest, more: dict[str, Any], status: int = 200) -> HttpResponse:
    context = {
        "crumbs": _crumbs(), "suppressed": suppressed(request.GET), "problems": {}, "typed": {"scope": "all"},
        "may_operate": person(request).role != User.Role.VIEWER, **more,
    }
    return render(request, "pages/suppressions.html", context, status=status)
