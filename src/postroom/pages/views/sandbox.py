"""The sandbox's mailbox. A caught message's HTML is shown only in a frame without cookies, script or network (W4)."""

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from postroom.flow.recipients.unsubscribe import link_of
from postroom.pages.confidential import closes_confidential_catches
from postroom.pages.queries import sandbox as queries
from postroom.pages.sealed_frame import download, frame_url, sealed
from postroom.store.blobs import DamagedBlob
from postroom.store.models import SandboxMessage, SmtpServer

PAGE_ROWS = 50
FRAME = "pages:sandbox-frame"


@require_safe
def sandbox(request: HttpRequest) -> HttpResponse:
    page = Paginator(SandboxMessage.objects.order_by("-received_at"), PAGE_ROWS).get_page(request.GET.get("page"))
    server = SmtpServer.objects.filter(is_sandbox=True).first()
    context = {"crumbs": [(_("Sandbox mailbox"), "")], "page": page, "server": server}
    return render(request, "pages/sandbox.html", context)


@require_safe
@closes_confidential_catches
def sandbox_message(request: HttpRequest, message_id: str) -> HttpResponse:
    message = get_object_or_404(SandboxMessage, pk=message_id)
    context = {
        "crumbs": [
            (_("Sandbox mailbox"), reverse("pages:sandbox")), (message.subject or _("Message without a subject"), ""),
        ],
        "message": message,
    }
    try:
        caught = queries.read(queries.content_of(message))
    except DamagedBlob as damage:
        return render(request, "pages/sandbox_message.html", {**context, "damage": str(damage)}, status=500)
    shown = [(n, v) for n, v in caught.headers if n.lower() in ("from", "to", "cc", "reply-to", "subject", "date")]
    url = frame_url(FRAME, message.pk) if caught.html else ""
    token = queries.leaving_token(caught)
    leaving = reverse("pages:unsubscribe", args=[token]) if token and link_of(token) else ""
    context |= {"caught": caught, "shown_headers": shown, "frame_url": url, "leaving": leaving}
    return render(request, "pages/sandbox_message.html", context)


@sealed(FRAME)
def frame(message_id: str) -> str:
    """The HTML as it came, with the pictures of its own parts."""
    return queries.page_of(queries.content_of(get_object_or_404(SandboxMessage, pk=message_id)))


@require_safe
@closes_confidential_catches
def attachment(_request: HttpRequest, message_id: str, number: int) -> HttpResponse:
    found = queries.attachment(queries.content_of(get_object_or_404(SandboxMessage, pk=message_id)), number)
    if found is None:
        raise Http404("no such attachment")
    name, octets = found
    return download(octets, name)


@require_safe
@closes_confidential_catches
def source(_request: HttpRequest, message_id: str) -> HttpResponse:
    message = get_object_or_404(SandboxMessage, pk=message_id)
    return download(queries.content_of(message), f"{message.pk}.eml")
