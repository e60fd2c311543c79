"""Write a message: the form, how the recipients will see it, and handing it over as the API does."""

from pathlib import Path
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib import messages as notices
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from postroom.flow.acceptance.accept import Acceptor, previewed
from postroom.flow.acceptance.ready import Ready
from postroom.flow.messages.request import Person
from postroom.pages.access import operator_only, person
from postroom.pages.forms.write_message import WriteForm, labels
from postroom.pages.queries import sandbox as content_queries
from postroom.pages.sealed_frame import frame_url, sealed
from postroom.store.blobs import Blobs, DamagedBlob
from postroom.store.drafts import Drafts
from postroom.store.models import SmtpServer
from postroom.store.outbox import open_outbox
from postroom.terms.problem import Problem

FRAME = "pages:message-preview-frame"


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def write_message(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _form(request, WriteForm.empty(request.GET))
    user, drafts = person(request), _drafts()
    form = WriteForm.of(request.POST, user)
    form.take(request.FILES.getlist("attachments"), drafts, user)
    step = request.POST.get("do", "preview")
    if form.problems or step == "edit":
        return _form(request, form)
    try:
        body = form.body(drafts)
        if step == "send":
            return _sent(request, form, body)
        return _preview(request, form, previewed(body), drafts)
    except DamagedBlob as damage:
        form.note_damage(damage)
    except Problem as problem:
        form.note(problem)
    return _form(request, form)


@sealed(FRAME)
def preview_frame(key: str) -> str:
    digest, _dash, size = key.partition("-")
    try:
        return _drafts().read(digest, int(size)).decode("utf-8", "replace")
    except (DamagedBlob, ValueError) as damage:
        raise Http404("the preview is gone") from damage


def _form(request: HttpRequest, form: WriteForm) -> HttpResponse:
    servers = [server for server in SmtpServer.objects.all() if server.enabled and _may_take(server)]
    context: dict[str, Any] = {
        "crumbs": [(_("Messages"), reverse("pages:messages")), (_("Write a message"), "")],
        "form": form,
        "labels": labels(),
        "summary": form.summary(),
        "servers": servers,
        "default": next((server for server in servers if server.is_default and server.takes_deliveries), None),
    }
    status = 422 if form.problems or form.refusal else 200
    return render(request, "pages/write_message.html", context, status=status)


def _preview(request: HttpRequest, form: WriteForm, ready: Ready, drafts: Drafts) -> HttpResponse:
    read = content_queries.read(ready.composed.content)
    url = ""
    if read.html:
        blob = drafts.put(read.html.encode("utf-8", "replace"))
        url = frame_url(FRAME, f"{blob.digest}-{blob.size_bytes}")
    context: dict[str, Any] = {
        "crumbs": [(_("Messages"), reverse("pages:messages")), (_("Write a message"), "")],
        "form": form,
        "ready": ready,
        "read": read,
        "frame": url,
        "recipients": len(ready.composed.recipients),
        "size_bytes": ready.composed.size_bytes,
    }
    return render(request, "pages/write_message_preview.html", context)


def _sent(request: HttpRequest, form: WriteForm, body: dict[str, Any]) -> HttpResponse:
    user = person(request)
    key = form.typed["key"] if form.typed["key"].isalnum() else None
    outbox = open_outbox()
    try:
        acceptor = Acceptor(outbox.queue, Blobs(Path(settings.DATA_DIR) / "blobs"))
        accepted = async_to_sync(acceptor.accept)(body, Person(user.pk, user.name or user.email), key)
    finally:
        outbox.close()
    number = len(accepted.enqueued.deliveries)
    text = ngettext("Handed over for %(n)s recipient.", "Handed over for %(n)s recipients.", number) % {"n": number}
    notices.success(request, text)
    return redirect("pages:message", accepted.enqueued.id)


def _may_take(server: SmtpServer) -> bool:
    return server.is_verified or server.use_unverified


def _drafts() -> Drafts:
    return Drafts(Path(settings.DATA_DIR) / "drafts")
