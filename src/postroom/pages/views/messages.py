"""Messages: the list with its filters, and one message with its deliveries."""

from typing import Any

from django.contrib import messages as notices
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from postroom.flow import outbox
from postroom.pages.access import operator_only, person
from postroom.pages.queries import messages as queries
from postroom.store.models import Message


@require_safe
def messages(request: HttpRequest) -> HttpResponse:
    search = request.GET.get("q", "").strip()[:200]
    chosen = request.GET.get("state", "")
    chosen = chosen if chosen in queries.TAB_STATES else ""
    found = queries.found_deliveries(search)
    total, tabs = queries.tabs_of(found)
    shown = found.filter(state=chosen) if chosen else found
    page = Paginator(queries.needing_attention_first(shown), queries.PAGE_ROWS).get_page(request.GET.get("page"))
    context = {
        "crumbs": [("Messages", "")],
        "page": page,
        "rows": [(delivery, queries.state_note(delivery)) for delivery in page],
        "tabs": tabs,
        "total": total,
        "chosen": chosen,
        "q": search,
    }
    return render(request, "pages/messages.html", context)


@require_safe
def message(request: HttpRequest, message_id: str) -> HttpResponse:
    found = get_object_or_404(Message.objects.select_related("server", "client"), pk=message_id)
    deliveries: list[dict[str, Any]] = [
        {"delivery": delivery, "attempts": queries.attempt_rows(delivery), "note": queries.state_note(delivery),
         "finding": delivery.finding or {}}
        for delivery in found.deliveries.select_related("server").order_by("pk")
    ]
    states = {row["delivery"].state for row in deliveries}
    context = {
        "crumbs": [("Messages", "/messages"), (found.subject or "Message without a subject", "")],
        "message": found,
        "deliveries": deliveries,
        "can_retry": bool(states & set(outbox.CAN_RETRY)),
        "can_cancel": bool(states & set(outbox.CAN_CANCEL)),
    }
    return render(request, "pages/message.html", context)


@operator_only
@require_POST
def retry(request: HttpRequest, message_id: str) -> HttpResponse:
    found = get_object_or_404(Message, pk=message_id)
    outbox.retry_now(found.pk, person(request).email)
    notices.success(request, "The message is tried again now.")
    return redirect("pages:message", found.pk)


@operator_only
@require_POST
def cancel(request: HttpRequest, message_id: str) -> HttpResponse:
    found = get_object_or_404(Message, pk=message_id)
    outbox.cancel(found.pk, person(request).email)
    notices.success(request, "The message is cancelled. What was sent already stays sent.")
    return redirect("pages:message", found.pk)
