"""Messages: the list with its filters, and what is done to several of them at once."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages as notices
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from postroom.flow.acceptance import resend
from postroom.flow.instance import reader
from postroom.flow.messages import outbox
from postroom.pages.access import operator_only, person
from postroom.pages.queries import message_detail
from postroom.pages.queries import messages as queries
from postroom.pages.queries.message_filters import Asked
from postroom.store.models import Message, User

RESEND_AT_ONCE = 100
_UNDO = "messages_undo"
_UNDO_FOR = timedelta(minutes=5)
_UNDO_HELD = 1_000


@require_safe
def messages(request: HttpRequest) -> HttpResponse:
    asked = Asked.of(request.GET)
    context: dict[str, Any] = {
        "crumbs": [(_("Messages"), "")],
        "asked": asked,
        "list": queries.listing(asked),
        "query": asked.query(after=request.GET.get("after", "")),
        "at_once": outbox.AT_ONCE,
        "may_operate": may_operate(request),
        "undo": undo_of(request),
    }
    opened = Message.objects.select_related("server", "client").filter(pk=asked.open).first() if asked.open else None
    if opened is not None:
        context |= {"detail": message_detail.detail(opened, request.GET), "back": request.get_full_path()}
    return render(request, "pages/messages.html", context)


@operator_only
@require_POST
def bulk(request: HttpRequest) -> HttpResponse:
    """Retry, cancel or resend the chosen messages, or all that the list's filter fits."""
    ids = _chosen(request)
    back = back_of(request)
    if not ids:
        notices.error(request, _("No message is chosen. Tick the ones that you mean."))
        return redirect(back)
    actor = person(request).email
    match request.POST.get("do"):
        case "retry":
            done = outbox.retry_now(ids, actor)
            said = ngettext("%(n)s message is tried again now.", "%(n)s messages are tried again now.", done.messages)
            _say(request, done.messages, said, len(ids))
        case "cancel":
            cancelled(request, ids)
        case "resend" if request.POST.get("confirmed"):
            made, refusal = resend.resend_each(list(Message.objects.filter(pk__in=ids)), hand_of(request))
            said = ngettext("%(n)s message is sent again.", "%(n)s messages are sent again.", len(made))
            _say(request, len(made), said, len(ids) if refusal is None else len(made))
            if refusal is not None:
                notices.error(request, reader.translated(refusal.detail))
        case "resend":
            return _resend_question(request, ids, back)
    return redirect(back)


@operator_only
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Take back the last cancelling."""
    kept = request.session.pop(_UNDO, None)
    if kept is None:
        notices.error(request, _("There is nothing to undo any more."))
        return redirect(back_of(request))
    at = datetime.fromisoformat(kept["at"])
    done = outbox.undo_cancel(kept["ids"], person(request).email, at=at, held=kept["held"])
    text = ngettext("%(n)s message waits again.", "%(n)s messages wait again.", done.messages) % {"n": done.messages}
    notices.success(request, text)
    return redirect(back_of(request))


def cancelled(request: HttpRequest, ids: list[str]) -> None:
    """Cancel, say so, and remember how to undo it."""
    done = outbox.cancel(ids, person(request).email)
    said = ngettext("%(n)s message is cancelled.", "%(n)s messages are cancelled.", done.messages)
    _say(request, done.messages, said, len(ids))
    if done.messages and len(done.held) <= _UNDO_HELD:
        request.session[_UNDO] = {"ids": ids, "at": done.at.isoformat(), "held": done.held, "count": done.messages}


def undo_of(request: HttpRequest) -> int:
    """How many messages the last cancelling ended, while it can still be undone; 0 else."""
    kept = request.session.get(_UNDO)
    if kept is None or timezone.now() - datetime.fromisoformat(kept["at"]) > _UNDO_FOR:
        return 0
    return int(kept["count"])


def hand_of(request: HttpRequest) -> resend.Hand:
    user = person(request)
    return resend.Hand(user.email, user.name or user.email)


def may_operate(request: HttpRequest) -> bool:
    return person(request).role in (User.Role.ADMINISTRATOR, User.Role.OPERATOR)


def back_of(request: HttpRequest) -> str:
    """The page of messages to return to; nowhere else."""
    back = request.POST.get("back", "")
    own = reverse("pages:messages")
    is_ours = back.startswith(own) and url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    return back if is_ours else own


def _chosen(request: HttpRequest) -> list[str]:
    if request.POST.get("all"):
        return queries.matching_ids(Asked.of(QueryDict(request.POST.get("asked", ""))), outbox.AT_ONCE)
    return [id_[:26] for id_ in request.POST.getlist("m")][: outbox.AT_ONCE]


def _resend_question(request: HttpRequest, ids: list[str], back: str) -> HttpResponse:
    found = Message.objects.filter(pk__in=ids, deliveries__state__in=resend.CAN_RESEND).distinct()
    fitting = list(found.order_by("-pk")[:RESEND_AT_ONCE])
    context = {
        "crumbs": [(_("Messages"), reverse("pages:messages")), (_("Resend"), "")],
        "messages_again": fitting,
        "left_out": len(ids) - len(fitting),
        "back": back,
        "most": RESEND_AT_ONCE,
    }
    return render(request, "pages/messages_resend.html", context)


def _say(request: HttpRequest, number: int, said: str, chosen: int) -> None:
    """What happened, and how many of the chosen ones it could not happen to."""
    left = chosen - number
    if number:
        notices.success(request, said % {"n": number})
    if left:
        text = ngettext(
            "%(n)s message stays as it is: its state allows no such change.",
            "%(n)s messages stay as they are: their state allows no such change.", left,
        )
        (notices.info if number else notices.error)(request, text % {"n": left})
