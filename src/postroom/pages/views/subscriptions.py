"""Subscriptions: the list, one with its runs, and what can be done to it at once."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.acceptance.test_mode import clear_for_subscription, set_for_subscription
from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.recipients.left_out import who_left
from postroom.flow.runs.ask_run import run_now, send_to
from postroom.flow.subscriptions.subscribe import pause_subscription, remove_subscription, resume_subscription
from postroom.flow.subscriptions.subscription_values import subscription_values
from postroom.pages import words
from postroom.pages.access import operator_only, person
from postroom.pages.forms.subscription import SubscriptionForm
from postroom.pages.queries.report_sources import source_address
from postroom.pages.queries.runs import run_lines
from postroom.pages.queries.schedule import schedule_context
from postroom.pages.queries.subscriptions import (
    MOVING,
    mode_of,
    reach,
    rows_of,
    subscribers_shown,
    subscription_list,
)
from postroom.pages.views.subscription_form import FORMS
from postroom.store.models import Subscription, User

RUNS_SHOWN = 25
LEFT_SHOWN = 10
_DAYS = "1"


@require_safe
def subscriptions(request: HttpRequest) -> HttpResponse:
    context = {
        "crumbs": [(_("Subscriptions"), "")], "list": subscription_list(request.GET, timezone.now()),
        "may_operate": person(request).role != User.Role.VIEWER,
    }
    return render(request, "pages/subscriptions.html", context)


@require_safe
def subscription(request: HttpRequest, subscription_id: str) -> HttpResponse:
    return _page(request, _present(subscription_id), {})


@operator_only
@require_POST
def run(request: HttpRequest, subscription_id: str) -> HttpResponse:
    row, user = _present(subscription_id), person(request)
    try:
        started = run_now(row.pk, user.email, timezone.now())
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:subscription", row.pk)
    return redirect("pages:run", row.pk, started.pk)


@operator_only
@require_POST
def send(request: HttpRequest, subscription_id: str) -> HttpResponse:
    """A run whose one message goes to whoever asks."""
    row, user = _present(subscription_id), person(request)
    try:
        started = send_to(row.pk, user.email, user.email, timezone.now())
    except (NotPossible, SettingsRefused) as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:subscription", row.pk)
    return redirect("pages:run", row.pk, started.pk)


@operator_only
@require_POST
def pause(request: HttpRequest, subscription_id: str) -> HttpResponse:
    row = pause_subscription(_present(subscription_id).pk, person(request).email, timezone.now())
    messages.success(request, _("%(name)s is paused.") % {"name": row.name})
    return redirect("pages:subscription", row.pk)


@operator_only
@require_POST
def resume(request: HttpRequest, subscription_id: str) -> HttpResponse:
    row = resume_subscription(_present(subscription_id).pk, person(request).email, timezone.now())
    messages.success(request, _("%(name)s goes on.") % {"name": row.name})
    return redirect("pages:subscription", row.pk)


@operator_only
@require_POST
def test_mode(request: HttpRequest, subscription_id: str) -> HttpResponse:
    row, user, now = _present(subscription_id), person(request), timezone.now()
    if request.POST.get("do") == "off":
        try:
            clear_for_subscription(row.pk, user.email)
        except NotPossible as reason:
            messages.error(request, translated(str(reason)))
        return redirect("pages:subscription", row.pk)
    typed = {"address": request.POST.get("address", "").strip()[:300], "days": request.POST.get("days", "")[:9]}
    days = int(typed["days"]) if typed["days"].isascii() and typed["days"].isdigit() and len(typed["days"]) < 4 else 0
    try:
        set_for_subscription(row.pk, typed["address"], now + timedelta(days=days), user.email, now)
    except SettingsRefused as refused:
        problems = {problem.field: translated(problem.text) for problem in refused.problems}
        return _page(request, row, {"test_typed": typed, "test_problems": problems}, 422)
    return redirect("pages:subscription", row.pk)


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, subscription_id: str) -> HttpResponse:
    row = _present(subscription_id)
    if request.method == "POST":
        try:
            name = remove_subscription(row.pk, person(request).email)
        except NotPossible as reason:
            messages.error(request, translated(str(reason)))
            return redirect("pages:subscription", row.pk)
        messages.success(request, _("%(name)s is removed.") % {"name": name})
        return redirect("pages:subscriptions")
    page = reverse("pages:subscription", args=[row.pk])
    crumbs = [(_("Subscriptions"), reverse("pages:subscriptions")), (row.name, page), (_("Remove"), "")]
    return render(request, "pages/subscription_remove.html", {"crumbs": crumbs, "subscription": row})


def _present(subscription_id: str) -> Subscription:
    found = Subscription.objects.select_related("source", "owner", "template", "calendar", "server")
    return get_object_or_404(found, pk=subscription_id)


def _page(request: HttpRequest, row: Subscription, more: dict[str, Any], status: int = 200) -> HttpResponse:
    now, before = timezone.now(), request.GET.get("before", "")[:26]
    runs = run_lines(row, before, RUNS_SHOWN + 1)
    shown, left = runs[:RUNS_SHOWN], who_left([row.list_name])
    user = person(request)
    named = subscribers_shown(row, user)
    context = {
        "crumbs": [(_("Subscriptions"), reverse("pages:subscriptions")), (row.name, "")],
        "source_address": source_address(row.source, user), "subscribers": named,
        "more_subscribers": row.subscribers.count() - len(named),
        "subscription": row, "row": rows_of([row], now)[0], "mode": mode_of(row, now), "runs": shown,
        "older": shown[-1].row.pk if len(runs) > RUNS_SHOWN else "", "is_first": not before,
        "is_moving": any(each.row.state in MOVING for each in shown), "form_words": FORMS[row.form],
        "reach": reach(row.subscribers.select_related("recipient", "group"), row.list_name),
        "left": left[:LEFT_SHOWN], "left_more": max(0, len(left) - LEFT_SHOWN),
        "paused_words": _paused_words(row), "may_operate": user.role != User.Role.VIEWER,
        "test_typed": {"address": user.email, "days": _DAYS}, "test_problems": {},
        **schedule_context(SubscriptionForm.of_values(subscription_values(row)).typed), **more,
    }
    return render(request, "pages/subscription.html", context, status=status)


def _paused_words(row: Subscription) -> str:
    if row.paused_at is None:
        return ""
    return _("Since %(at)s, by %(who)s. Nothing runs by itself; runs that wait go on when you resume it.") % {
        "at": words.since(row.paused_at), "who": row.paused_by
    }
