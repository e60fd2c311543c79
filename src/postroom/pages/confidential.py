"""Mail with a link that sets a password is for its recipient alone: who may read messages here would else take over the
account."""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _

from postroom.flow.notices.account_mail import any_is_confidential, is_confidential
from postroom.pages.access import person
from postroom.pages.queries import sandbox
from postroom.store.blobs import DamagedBlob
from postroom.store.models import Message, SandboxMessage

View = Callable[..., Any]


def closes_confidential_messages(view: View) -> View:
    """Refuse the content of such a message, to administrators too: they give a new password on the page of the user."""

    @wraps(view)
    def guarded(request: HttpRequest, message_id: str, *args: Any, **kwargs: Any) -> Any:
        if is_confidential(get_object_or_404(Message, pk=message_id)):
            return _refused(request)
        return view(request, message_id, *args, **kwargs)

    return guarded


def closes_confidential_catches(view: View) -> View:
    """The same in the sandbox's mailbox; there administrators may read it, who try out how it looks."""

    @wraps(view)
    def guarded(request: HttpRequest, message_id: str, *args: Any, **kwargs: Any) -> Any:
        if not person(request).is_administrator:
            ids: list[str] = []
            with suppress(DamagedBlob):
                caught = sandbox.read(sandbox.content_of(get_object_or_404(SandboxMessage, pk=message_id)))
                ids = [value.strip() for name, value in caught.headers if name.lower() == "message-id"]
            if any_is_confidential(ids):
                return _refused(request)
        return view(request, message_id, *args, **kwargs)

    return guarded


def _refused(request: HttpRequest) -> HttpResponse:
    text = _("This message holds a link that sets a password. Only its recipient reads it.")
    return render(request, "pages/problem.html", {"title": _("Not allowed"), "text": text}, status=403)
