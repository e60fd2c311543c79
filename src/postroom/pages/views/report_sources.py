"""Report sources: the list, adding, changing, trying and removing one."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.reports.report_sources import add_source, change_source, remove_source
from postroom.flow.reports.source_rights import kinds_for, may_keep, may_keep_sources
from postroom.flow.reports.try_source import ask_try, latest_try
from postroom.pages.access import operator_only, person
from postroom.pages.forms.report_source import KINDS, SourceForm, source_choices
from postroom.pages.queries.report_sources import connection_rows, source_rows, try_state
from postroom.store.models import ReportSource

LIST = gettext_lazy("Report sources")
CRUMBS = [(gettext_lazy("Administration"), ""), (gettext_lazy("Reports"), "")]


@require_safe
def report_sources(request: HttpRequest) -> HttpResponse:
    """Everybody may read where reports come from."""
    user = person(request)
    context = {
        "crumbs": [*CRUMBS, (LIST, "")], "rows": source_rows(user), "may_add": may_keep_sources(user),
        "connections": connection_rows() if user.is_administrator else [],
    }
    return render(request, "pages/report_sources.html", context)


@operator_only
@never_cache
@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
def new_report_source(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, SourceForm.empty(), None)
    form = SourceForm.posted(request.POST)
    if not may_keep(person(request), form.typed["kind"], has_secret=bool(form.secret)):
        return _not_yours(request)
    try:
        row = add_source(form.values(), person(request).email)
    except SettingsRefused as refused:
        form.take(refused.problems)
        return _page(request, form, None, 422)
    messages.success(request, _("Saved. Try it before somebody subscribes to it."))
    return redirect("pages:report-source", row.pk)


@operator_only
@never_cache
@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
def report_source(request: HttpRequest, source_id: str) -> HttpResponse:
    row = _source(source_id)
    form = SourceForm.of(row)
    posted = SourceForm.posted(request.POST)
    if not _may(request, row) or (posted.secret and not person(request).is_administrator):
        return _not_yours(request)
    if request.method != "POST":
        return _page(request, form, row)
    posted.typed["kind"], posted.has_secret = row.kind, form.has_secret
    try:
        change_source(row.pk, posted.values(), person(request).email)
    except SettingsRefused as refused:
        posted.take(refused.problems)
        return _page(request, posted, row, 422)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:report-sources")
    messages.success(request, _("Saved. Runs from now on fetch it so."))
    return redirect("pages:report-source", row.pk)


@operator_only
@require_POST
def try_it(request: HttpRequest, source_id: str) -> HttpResponse:
    """Have the engine fetch the report, without sending it."""
    row = _source(source_id)
    if not _may(request, row):
        return _not_yours(request)
    try:
        ask_try(person(request).email, source=row)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    return redirect(f"{reverse('pages:report-source', args=[row.pk])}#h-try")


@operator_only
@never_cache
@require_safe
def state(request: HttpRequest, source_id: str) -> HttpResponse:
    """How the last try went; polled while one is under way."""
    row = _source(source_id)
    if not _may(request, row):
        return _not_yours(request)
    return render(request, "pages/parts/source_try.html", _try(row))


@operator_only
@require_POST
def remove(request: HttpRequest, source_id: str) -> HttpResponse:
    row = _source(source_id)
    if not _may(request, row):
        return _not_yours(request)
    try:
        remove_source(row.pk, person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:report-source", row.pk)
    messages.success(request, _("“%(name)s” is removed.") % {"name": row.name})
    return redirect("pages:report-sources")


def _page(request: HttpRequest, form: SourceForm, row: ReportSource | None, status: int = 200) -> HttpResponse:
    choices = source_choices()
    if row is None:
        choices["source_kinds"] = kinds_for(person(request), KINDS).items()
    title = row.name if row else _("Add report source")
    context: dict[str, Any] = {
        "crumbs": [*CRUMBS, (LIST, reverse("pages:report-sources")), (title, "")], "title": title,
        "row": row, "source_form": form, "summary": form.summary(), "kind_stays": row is not None, **choices,
        "password_again": bool(form.secret and form.problems),
    }
    if row is not None:
        context |= _try(row) | {
            "push_address": f"{settings.PUBLIC_URL}/api/v1/report-sources/{row.pk}/report",
            "try_url": reverse("pages:report-source-try", args=[row.pk]),
            "used_by": [
                {"name": each.name, "address": reverse("pages:subscription", args=[each.pk])}
                for each in row.subscriptions.order_by("name")
            ],
        }
    return render(request, "pages/report_source.html", context, status=status)


def _try(row: ReportSource) -> dict[str, Any]:
    address = reverse("pages:report-source-state", args=[row.pk])
    return {**try_state(latest_try(source=row)), "state_address": address}


def _source(source_id: str) -> ReportSource:
    return get_object_or_404(ReportSource.objects.select_related("connection"), pk=source_id)


def _may(request: HttpRequest, row: ReportSource) -> bool:
    return may_keep(person(request), row.kind, has_secret=bool(row.sealed_secret))


def _not_yours(request: HttpRequest) -> HttpResponse:
    text = _("Only an administrator keeps sources with a query or a secret.")
    return render(request, "pages/problem.html", {"title": _("Not allowed"), "text": text}, status=403)
