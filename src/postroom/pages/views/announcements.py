"""Announcements: what was announced and how far it is; write one, see it, try it on oneself, send it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.instance.instance import LANGUAGES, site
from postroom.flow.instance.reader import language, translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.messages.request import Person
from postroom.flow.notices.announcement_mail import Previewed, previewed, send_test
from postroom.flow.notices.announcements import announce, draft_announcement, reached, seen_as, stop
from postroom.flow.recipients.recipients import Addressed
from postroom.flow.servers.server_order import servers_in_order
from postroom.flow.templates.own_text import OwnText
from postroom.message.template import TemplateFault
from postroom.pages.access import operator_only, person
from postroom.pages.forms.announcement import (
    LABELS,
    TEXTS,
    empty_announcement,
    field_of,
    given_by,
    other_language,
    typed_announcement,
)
from postroom.pages.queries.announcements import newest_announcements, view_of
from postroom.pages.sealed_frame import frame_url, sealed
from postroom.store.blobs import Blobs, DamagedBlob
from postroom.store.drafts import Drafts
from postroom.store.heartbeat import engine_is_running
from postroom.store.models import Announcement, RecipientGroup, User
from postroom.store.outbox import open_outbox
from postroom.terms.address import canonical
from postroom.terms.problem import FieldError, Problem

FRAME = "pages:announcement-frame"
_LIST = gettext_lazy("Announcements")
# Recipients that the preview offers; another one's address is typed.
OFFERED = 50


@require_safe
def announcements(request: HttpRequest) -> HttpResponse:
    context = {
        "crumbs": [(_LIST, "")], "views": newest_announcements(),
        "may_operate": person(request).role != User.Role.VIEWER,
    }
    return render(request, "pages/announcements.html", context)


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def new_announcement(request: HttpRequest) -> HttpResponse:
    """The form; its preview, where it can be tried and sent."""
    if request.method != "POST":
        return _form(request, empty_announcement(), [])
    typed, step = typed_announcement(request.POST), request.POST.get("do", "preview")
    if step == "edit":
        return _form(request, typed, [])
    try:
        draft = draft_announcement(given_by(typed, language()))
        draft.pk, draft.sender_name = typed["key"], person(request).name
        if step == "send":
            return _sent(request, draft)
        people = reached(draft)
        seen = _seen(draft, people, typed)
        if step == "test":
            _try(request, draft, seen)
        return _preview(request, typed, people, seen)
    except TemplateFault as fault:
        return _form(request, typed, [FieldError("text", "invalid", fault.text)])
    except SettingsRefused as refused:
        return _form(request, typed, refused.problems)
    except NotPossible as reason:
        return _form(request, typed, [FieldError("users", "nobody", str(reason))])
    except Problem as problem:
        text = problem.errors[0].text if problem.errors else problem.detail
        return _form(request, typed, [FieldError("subject", problem.slug, text)])


@require_safe
def announcement(request: HttpRequest, announcement_id: str) -> HttpResponse:
    """How far it is; to htmx that part alone."""
    view = view_of(get_object_or_404(Announcement, pk=announcement_id))
    context = {
        "crumbs": [(_LIST, reverse("pages:announcements")), (view.title, "")], "view": view,
        "may_operate": person(request).role != User.Role.VIEWER, "engine_stopped": not engine_is_running(),
    }
    template = "parts/announcement_progress" if "HX-Request" in request.headers else "announcement"
    return render(request, f"pages/{template}.html", context)


@operator_only
@require_POST
def stop_announcement(request: HttpRequest, announcement_id: str) -> HttpResponse:
    try:
        row = stop(announcement_id, actor=person(request).email, now=timezone.now())
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:announcements")
    messages.success(request, _("Stopped. What is queued already still leaves, unless it is cancelled under Messages."))
    return redirect("pages:announcement", row.pk)


@sealed(FRAME)
def preview_frame(key: str) -> str:
    digest, _dash, size = key.partition("-")
    try:
        return _drafts().read(digest, int(size)).decode("utf-8", "replace")
    except (DamagedBlob, ValueError) as damage:
        raise Http404("the preview is gone") from damage


def _sent(request: HttpRequest, draft: Announcement) -> HttpResponse:
    user = person(request)
    # The same form handed in twice is one announcement.
    announce(draft, actor=user.email, sender_id=user.pk, sender_name=user.name, now=timezone.now())
    return redirect("pages:announcement", draft.pk)


def _seen(draft: Announcement, people: Sequence[Addressed], typed: Mapping[str, Any]) -> tuple[Previewed, str]:
    """What the chosen recipient would get, or, where nobody of that address gets it, the first one, and why. Raises
    TemplateFault."""
    try:
        return previewed(draft, seen_as(people, typed["as"])), ""
    except SettingsRefused as refused:
        return previewed(draft, seen_as(people, "")), refused.problems[0].text


def _try(request: HttpRequest, draft: Announcement, seen: tuple[Previewed, str]) -> None:
    """Raises Problem, TemplateFault."""
    user, outbox = person(request), open_outbox()
    try:
        acceptor = Acceptor(outbox.queue, Blobs(Path(settings.DATA_DIR) / "blobs"))
        async_to_sync(send_test)(acceptor, draft, seen[0].to, _me(user), Person(user.pk, user.name or user.email))
    finally:
        outbox.close()
    messages.success(request, _("A test is on its way to %(address)s.") % {"address": user.email})


def _preview(
    request: HttpRequest, typed: dict[str, Any], people: Sequence[Addressed], seen: tuple[Previewed, str]
) -> HttpResponse:
    made, url = seen[0].made, ""
    if made.html:
        blob = _drafts().put(_with_pictures(made).encode("utf-8", "replace"))
        url = frame_url(FRAME, f"{blob.digest}-{blob.size_bytes}")
    context = {
        "crumbs": [(_LIST, reverse("pages:announcements")), (_("Preview"), "")], "typed": typed, "made": made,
        "texts": [(name, typed[name]) for name in TEXTS], "frame": url, "people": len(people),
        "some": [one.name or one.address for one in people[:5]], "seen": seen[0], "as_fault": seen[1],
        "choices": people[:OFFERED],
    }
    return render(request, "pages/announcement_preview.html", context)


def _with_pictures(made: OwnText) -> str:
    """The HTML with its own pictures in place of the references to them."""
    html = made.html
    for one in made.attachments:
        html = html.replace(f"cid:{one['content_id']}", f"data:{one['content_type']};base64,{one['content_base64']}")
    return html


def _me(user: User) -> Addressed:
    here = site()
    return Addressed(user.email, canonical(user.email), user.name, user.language or here.language, user.time_zone)


def _form(request: HttpRequest, typed: dict[str, Any], problems: list[FieldError]) -> HttpResponse:
    named = [(field_of(problem.field), problem.text) for problem in problems]
    context = {
        "crumbs": [(_LIST, reverse("pages:announcements")), (_("Write an announcement"), "")], "typed": typed,
        "problems": dict(named), "summary": [(field, LABELS[field], text) for field, text in named],
        "groups": RecipientGroup.objects.all(), "users": User.objects.filter(is_active=True).count(),
        "servers": [server for server in servers_in_order() if server.enabled],
        "other": LANGUAGES[other_language(language())], "labels": LABELS,
        "opens": any(field in ("server", "other_subject", "other_text") for field, _text in named),
    }
    return render(request, "pages/announcement_form.html", context, status=422 if problems else 200)


def _drafts() -> Drafts:
    return Drafts(Path(settings.DATA_DIR) / "drafts")
