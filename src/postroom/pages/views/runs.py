"""One run of a subscription: how far it is, its log, what became of each recipient; stop it, go on with it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.runs.run_control import retry_missing
from postroom.flow.runs.run_control import stop as stop_run
from postroom.flow.runs.run_log import log_text, told_log
from postroom.flow.runs.run_progress import progress, run_recipients, standing
from postroom.flow.runs.told_of_run import told_of_run
from postroom.pages import words
from postroom.pages.access import operator_only, person
from postroom.pages.queries.report_sources import source_address
from postroom.pages.queries.runs import ended_unnoticed, line_of
from postroom.pages.queries.subscriptions import LEFT_OUT, MOVING
from postroom.pages.sealed_frame import download
from postroom.store.models import Run, User

RECIPIENTS_SHOWN = 100
_NO_FILE = "no-file"


@require_safe
def run(request: HttpRequest, subscription_id: str, run_id: str) -> HttpResponse:
    row = _present(subscription_id, run_id)
    line = line_of(row)
    going = progress(row, timezone.now())
    told = told_of_run(row)
    context = {
        "told": told, "told_nobody": not told and ended_unnoticed(row),
        "crumbs": [
            (_("Subscriptions"), reverse("pages:subscriptions")),
            (row.subscription.name, reverse("pages:subscription", args=[row.subscription_id])),
            (words.day_and_clock(line.at), ""),
        ],
        "subscription": row.subscription, "run": row, "at": line.at, "cause": line.cause, "problem": line.problem,
        "log": told_log(row), "progress": going, "is_moving": row.state in MOVING,
        "percent": 100 * going.queued // going.to_queue if going.to_queue else 100,
        "tries_again_at": line.tries_again_at,
        "source_address": source_address(row.subscription.source, person(request)),
        "states": sorted(standing(row).items()), "can_retry": row.state in ("warning", "error", "cancelled"),
        "may_operate": person(request).role != User.Role.VIEWER, **_recipients(request, row),
    }
    return render(request, "pages/run.html", context)


@require_safe
def run_by_id(request: HttpRequest, run_id: str) -> HttpResponse:
    """Mail about a run leads here."""
    del request
    row = get_object_or_404(Run, pk=run_id)
    return redirect("pages:run", row.subscription_id, row.pk)


@require_safe
def log(request: HttpRequest, subscription_id: str, run_id: str) -> HttpResponse:
    del request
    row = _present(subscription_id, run_id)
    return download(log_text(row).encode(), f"run-{row.pk}.log")


@operator_only
@require_POST
def stop(request: HttpRequest, subscription_id: str, run_id: str) -> HttpResponse:
    row = _present(subscription_id, run_id)
    try:
        stop_run(row.pk, person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    return redirect("pages:run", row.subscription_id, row.pk)


@operator_only
@require_POST
def retry(request: HttpRequest, subscription_id: str, run_id: str) -> HttpResponse:
    row = _present(subscription_id, run_id)
    try:
        row = retry_missing(row.pk, person(request).email, timezone.now())
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    return redirect("pages:run", row.subscription_id, row.pk)


def _present(subscription_id: str, run_id: str) -> Run:
    return get_object_or_404(
        Run.objects.select_related("subscription__source", "report"), pk=run_id, subscription=subscription_id
    )


def _recipients(request: HttpRequest, row: Run) -> dict[str, Any]:
    typed = request.GET.get("after", "")
    after = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else -1
    found = run_recipients(row, after, RECIPIENTS_SHOWN + 1)
    shown = found[:RECIPIENTS_SHOWN]
    why = {**LEFT_OUT, _NO_FILE: _("the report has no rows for it")}
    return {
        "recipients": [{"address": each.address, "place": each.place, "left_out": each.left_out, "state": each.state,
                        "message_id": each.message_id, "why": str(why.get(each.left_out, each.left_out))}
                       for each in shown],
        "next_after": shown[-1].position if len(found) > RECIPIENTS_SHOWN else None, "is_first": after < 0,
    }
