"""One webhook: how it fares, what it was told, and what an administrator does with it."""

from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.webhooks.webhook_history import replay_delivery, replay_since
from postroom.flow.webhooks.webhook_send import send_test
from postroom.flow.webhooks.webhooks import BOTH_SIGN, pause_webhook, remove_webhook, renew_secret, resume_webhook
from postroom.pages import shown_once, words
from postroom.pages.access import View, administrator_only, person
from postroom.pages.queries.webhooks import attempts_of, delivery_view, history_of, pretty, webhook_view
from postroom.store.models import Webhook, WebhookDelivery

from .webhooks import CRUMBS, LIST

_PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


def _unless_gone(view: View) -> View:
    """Say so where somebody else removed the webhook meanwhile."""

    @wraps(view)
    def guarded(request: HttpRequest, webhook_id: str) -> Any:
        try:
            return view(request, webhook_id)
        except NotPossible as reason:
            messages.error(request, translated(str(reason)))
            return redirect("pages:webhooks")

    return guarded


@never_cache
@require_safe
def webhook(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """The page; to htmx the state and the history alone. Everybody may read it."""
    row = get_object_or_404(Webhook, pk=webhook_id)
    is_part = "HX-Request" in request.headers
    context = {
        "crumbs": [*CRUMBS, (LIST, reverse("pages:webhooks")), (row.name, "")],
        "view": webhook_view(row),
        "history": history_of(row, request.GET.dict()),
        "secret": "" if is_part else shown_once.take(request, f"webhook:{row.pk}"),
        "former_signs": row.previous_until is not None and row.previous_until > timezone.now(),
        "is_part": is_part,
    }
    template = "parts/webhook_work" if is_part else "webhook"
    return render(request, f"pages/{template}.html", context)


@administrator_only
@require_POST
@_unless_gone
def pause(request: HttpRequest, webhook_id: str) -> HttpResponse:
    row = get_object_or_404(Webhook, pk=webhook_id)
    pause_webhook(row.pk, person(request).email, timezone.now())
    messages.success(request, _("%(name)s is paused. What happens now is not kept for it.") % {"name": row.name})
    return redirect("pages:webhook", row.pk)


@administrator_only
@require_POST
@_unless_gone
def resume(request: HttpRequest, webhook_id: str) -> HttpResponse:
    row = get_object_or_404(Webhook, pk=webhook_id)
    resume_webhook(row.pk, person(request).email, timezone.now())
    messages.success(request, _("%(name)s goes on, with what waits at once.") % {"name": row.name})
    return redirect("pages:webhook", row.pk)


@administrator_only
@require_POST
def test(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Straight to the request that is made: its page shows the answer as it comes."""
    row = get_object_or_404(Webhook, pk=webhook_id)
    delivery = send_test(row, person(request).email, timezone.now())
    return redirect("pages:webhook-delivery", row.pk, delivery.pk)


@administrator_only
@require_POST
@_unless_gone
def new_secret(request: HttpRequest, webhook_id: str) -> HttpResponse:
    row = get_object_or_404(Webhook, pk=webhook_id)
    keep = timedelta(0) if request.POST.get("former") == "end" else BOTH_SIGN
    _row, secret = renew_secret(row.pk, person(request).email, timezone.now(), keep=keep)
    shown_once.keep(request, f"webhook:{row.pk}", secret)
    return redirect("pages:webhook", row.pk)


@administrator_only
@require_POST
def replay(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """What was made in the period that is chosen."""
    row = get_object_or_404(Webhook, pk=webhook_id)
    now = timezone.now()
    since = _since(request.POST.get("period", ""), now)
    only_failed = request.POST.get("which") != "all"
    count = replay_since(row, since, None, person(request).email, now, only_failed=only_failed)
    text = ngettext("%(n)s request is sent again.", "%(n)s requests are sent again.", count)
    messages.success(request, text % {"n": words.number(count)})
    return redirect("pages:webhook", row.pk)


@administrator_only
@require_POST
@_unless_gone
def remove(request: HttpRequest, webhook_id: str) -> HttpResponse:
    name = remove_webhook(get_object_or_404(Webhook, pk=webhook_id).pk, person(request).email)
    messages.success(request, _("The webhook %(name)s is removed, and its history with it.") % {"name": name})
    return redirect("pages:webhooks")


@never_cache
@require_safe
def webhook_delivery(request: HttpRequest, webhook_id: str, delivery_id: str) -> HttpResponse:
    """One request with its body; to htmx what became of it alone."""
    row = _delivery(webhook_id, delivery_id)
    context: dict[str, Any] = {
        "view": delivery_view(row), "attempts": attempts_of(row), "row": row.webhook,
        "crumbs": [
            *CRUMBS, (LIST, reverse("pages:webhooks")),
            (row.webhook.name, reverse("pages:webhook", args=[row.webhook_id])), (_("Request"), ""),
        ],
    }
    if "HX-Request" in request.headers:
        return render(request, "pages/parts/webhook_attempts.html", context)
    return render(request, "pages/webhook_delivery.html", {**context, "body": pretty(row.body)})


@administrator_only
@require_POST
def replay_one(request: HttpRequest, webhook_id: str, delivery_id: str) -> HttpResponse:
    row = _delivery(webhook_id, delivery_id)
    try:
        replay_delivery(row, person(request).email, timezone.now())
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    return redirect("pages:webhook-delivery", row.webhook_id, row.pk)


def _delivery(webhook_id: str, delivery_id: str) -> WebhookDelivery:
    rows = WebhookDelivery.objects.select_related("webhook")
    return get_object_or_404(rows, pk=delivery_id, webhook_id=webhook_id)


def _since(period: str, now: datetime) -> datetime:
    return now - _PERIODS.get(period, _PERIODS["day"])
