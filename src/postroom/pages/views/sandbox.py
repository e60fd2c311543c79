"""The sandbox's mailbox. A caught message's HTML is shown only in a frame without cookies, script or network (W4)."""

from csp.decorators import csp
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from postroom.pages.queries import sandbox as queries
from postroom.store.blobs import DamagedBlob
from postroom.store.models import SandboxMessage, SmtpServer

PAGE_ROWS = 50
_FRAME_SALT = "postroom.sandbox.frame"
_FRAME_AGE_S = 600
_FRAME_POLICY = {
    "sandbox": ["allow-popups"],
    "default-src": ["'none'"],
    "img-src": ["data:"],
    "style-src": ["'unsafe-inline'"],
    "frame-ancestors": ["'self'"],
}


@require_safe
def sandbox(request: HttpRequest) -> HttpResponse:
    page = Paginator(SandboxMessage.objects.order_by("-received_at"), PAGE_ROWS).get_page(request.GET.get("page"))
    server = SmtpServer.objects.filter(is_sandbox=True).first()
    context = {"crumbs": [("Sandbox mailbox", "")], "page": page, "server": server}
    return render(request, "pages/sandbox.html", context)


@require_safe
def sandbox_message(request: HttpRequest, message_id: str) -> HttpResponse:
    message = get_object_or_404(SandboxMessage, pk=message_id)
    context = {
        "crumbs": [("Sandbox mailbox", "/sandbox"), (message.subject or "Message without a subject", "")],
        "message": message,
    }
    try:
        caught = queries.read(queries.content_of(message))
    except DamagedBlob as damage:
        return render(request, "pages/sandbox_message.html", {**context, "damage": str(damage)}, status=500)
    shown = [(n, v) for n, v in caught.headers if n.lower() in ("from", "to", "cc", "reply-to", "subject", "date")]
    context |= {"caught": caught, "shown_headers": shown, "frame_url": _frame_url(message) if caught.html else ""}
    return render(request, "pages/sandbox_message.html", context)


@login_not_required
@xframe_options_exempt
@never_cache
@csp(_FRAME_POLICY)  # type: ignore[arg-type]
@require_safe
def frame(request: HttpRequest, message_id: str) -> HttpResponse:
    """The HTML as it came. The address carries its own short-lived permission, so no cookie is read or set."""
    key = request.GET.get("key", "")
    try:
        permitted = signing.loads(key, salt=_FRAME_SALT, max_age=_FRAME_AGE_S)
    except signing.BadSignature:
        permitted = None
    if permitted != message_id:
        return HttpResponse("Open the message again to see it.", status=403, content_type="text/plain; charset=utf-8")
    message = get_object_or_404(SandboxMessage, pk=message_id)
    return HttpResponse(queries.read(queries.content_of(message)).html, content_type="text/html; charset=utf-8")


@require_safe
def attachment(_request: HttpRequest, message_id: str, number: int) -> HttpResponse:
    found = queries.attachment(queries.content_of(get_object_or_404(SandboxMessage, pk=message_id)), number)
    if found is None:
        raise Http404("no such attachment")
    name, octets = found
    return _download(octets, name)


@require_safe
def source(_request: HttpRequest, message_id: str) -> HttpResponse:
    message = get_object_or_404(SandboxMessage, pk=message_id)
    return _download(queries.content_of(message), f"{message.pk}.eml")


def _download(octets: bytes, name: str) -> HttpResponse:
    """Always a download of no particular type: a stranger's bytes are never rendered."""
    ascii_name = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_").replace("\\", "_")
    response = HttpResponse(octets, content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="{ascii_name}"'
    return response


def _frame_url(message: SandboxMessage) -> str:
    key = signing.dumps(message.pk, salt=_FRAME_SALT)
    return f"{reverse('pages:sandbox-frame', args=[message.pk])}?key={key}"
