"""One message: its deliveries and what is done to it, as a page of its own and as the panel beside the list."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages as notices
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from postroom.flow.acceptance import resend
from postroom.flow.instance import reader
from postroom.flow.messages import outbox
from postroom.flow.servers import configure
from postroom.pages.access import operator_only, person
from postroom.pages.confidential import closes_confidential_messages
from postroom.pages.queries import sandbox as content_queries
from postroom.pages.queries.message_detail import detail
from postroom.pages.sealed_frame import download, frame_url, sealed
from postroom.store import audit
from postroom.store.blobs import Blobs, DamagedBlob
from postroom.store.content import Contents
from postroom.store.models import Message
from postroom.terms.problem import Problem

from .messages import back_of, cancelled, hand_of, may_operate, undo_of

FRAME = "pages:message-frame"


@require_safe
def message(request: HttpRequest, message_id: str) -> HttpResponse:
    found = _found(message_id)
    context = {
        "crumbs": [(_("Messages"), reverse("pages:messages")), (found.subject or _("Message without a subject"), "")],
        "undo": undo_of(request),
        **_context(request, found, request.get_full_path()),
    }
    return render(request, "pages/message.html", context)


@require_safe
def panel(request: HttpRequest, message_id: str) -> HttpResponse:
    """What stands beside the list; asked for by its script, and again while the message is on its way."""
    back = request.GET.get("back", "")
    back = back if back.startswith(reverse("pages:messages")) else reverse("pages:message", args=[message_id])
    return render(request, "pages/parts/message_panel.html", _context(request, _found(message_id), back))


@operator_only
@require_POST
def retry(request: HttpRequest, message_id: str) -> HttpResponse:
    found = _found(message_id)
    done = outbox.retry_now([found.pk], person(request).email, delivery_id=request.POST.get("delivery", "")[:26])
    if done.deliveries:
        notices.success(request, _("The message is tried again now."))
    else:
        notices.error(request, _("Nothing of this message can be tried again now."))
    return redirect(_back(request, found))


@operator_only
@require_POST
def cancel(request: HttpRequest, message_id: str) -> HttpResponse:
    found = _found(message_id)
    cancelled(request, [found.pk])
    return redirect(_back(request, found))


@operator_only
@require_POST
def send_again(request: HttpRequest, message_id: str) -> HttpResponse:
    found = _found(message_id)
    chosen = resend.Recipients.FAILED if request.POST.get("to") == "failed" else resend.Recipients.ALL
    try:
        again = resend.resend(found, hand_of(request), chosen)
    except (configure.NotPossible, Problem) as refused:
        why = refused.detail if isinstance(refused, Problem) else refused.args[0]
        notices.error(request, reader.translated(why))
        return redirect(_back(request, found))
    number = again.deliveries.count()
    text = ngettext("Handed over again for %(n)s recipient.", "Handed over again for %(n)s recipients.", number)
    notices.success(request, text % {"n": number})
    return redirect("pages:message", again.pk)


@operator_only
@require_safe
@closes_confidential_messages
def content(request: HttpRequest, message_id: str) -> HttpResponse:
    """The message as its recipients read it; who looked is in the audit trail."""
    found = _found(message_id)
    context: dict[str, Any] = {
        "crumbs": [
            (_("Messages"), reverse("pages:messages")),
            (found.subject or _("Message without a subject"), reverse("pages:message", args=[found.pk])),
            (_("Content"), ""),
        ],
        "message": found,
    }
    try:
        read = content_queries.read(_octets(found))
    except DamagedBlob as damage:
        return render(request, "pages/message_content.html", {**context, "damage": str(damage)}, status=500)
    audit.record(person(request).email, "message.read", found.pk)
    shown = [(name, value) for name, value in read.headers if name.lower() in _SHOWN]
    url = frame_url(FRAME, found.pk) if read.html else ""
    return render(request, "pages/message_content.html", {**context, "content": read, "shown": shown, "frame": url})


@operator_only
@require_safe
@closes_confidential_messages
def source(request: HttpRequest, message_id: str) -> HttpResponse:
    """The octets that were, or will be, sent."""
    found = _found(message_id)
    octets = _octets_or_404(found)
    audit.record(person(request).email, "message.download", found.pk)
    return download(octets, f"{found.pk}.eml")


@operator_only
@require_safe
@closes_confidential_messages
def attachment(request: HttpRequest, message_id: str, number: int) -> HttpResponse:
    found = _found(message_id)
    file = content_queries.attachment(_octets_or_404(found), number)
    if file is None:
        raise Http404("no such attachment")
    audit.record(person(request).email, "message.download", found.pk, {"attachment": file[0]})
    return download(file[1], file[0])


@sealed(FRAME)
def frame(message_id: str) -> str:
    return content_queries.read(_octets_or_404(_found(message_id))).html


_SHOWN = ("from", "to", "cc", "reply-to", "subject", "date")


def _context(request: HttpRequest, found: Message, back: str) -> dict[str, Any]:
    return {"detail": detail(found, request.GET), "back": back, "may_operate": may_operate(request)}


def _found(message_id: str) -> Message:
    return get_object_or_404(Message.objects.select_related("server", "client", "resend_of"), pk=message_id)


def _back(request: HttpRequest, found: Message) -> str:
    return back_of(request) if request.POST.get("back") else reverse("pages:message", args=[found.pk])


def _octets(found: Message) -> bytes:
    """The whole message. Raises DamagedBlob."""
    contents = Contents(Blobs(Path(settings.DATA_DIR) / "blobs"))
    return b"".join(contents.open(found.frozen_content, found.content_digest, found.content_size).chunks())


def _octets_or_404(found: Message) -> bytes:
    try:
        return _octets(found)
    except DamagedBlob as damage:
        raise Http404(str(damage)) from damage
