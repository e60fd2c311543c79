"""The mailbox that the engine reads for bounces: set it, try it, remove it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.delivery.bounce_mailbox import (
    MailboxSettings,
    ask_look,
    mailbox,
    remove_mailbox,
    save_mailbox,
    settings_of,
)
from postroom.flow.instance.refusals import SettingsRefused
from postroom.pages.access import administrator_only, person
from postroom.store.models import BounceMailbox, SmtpServer
from postroom.terms.limits import IMAPS_PORT

_FIELDS = ("host", "port", "username", "folder", "done_folder")
_FAULTS = {
    "resolve": gettext_lazy("The host name can’t be resolved. Check its spelling."),
    "connect": gettext_lazy("The mail server can’t be reached. Check host, port and firewall."),
    "certificate": gettext_lazy("The mail server’s certificate is not trusted, so no password was sent."),
    "sign-in": gettext_lazy("The mail server refuses user name or password."),
    "folder": gettext_lazy("The mail server has no such folder, or does not let it be opened."),
    "read": gettext_lazy("Reading the folder failed half-way; the next look goes on."),
    "password": gettext_lazy("The stored password belongs to other settings. Enter it again."),
}


@administrator_only
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def bounce_mailbox(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, {})
    typed: dict[str, Any] = {name: request.POST.get(name, "").strip()[:300] for name in _FIELDS}
    typed["enabled"] = request.POST.get("enabled") == "on"
    port = typed["port"]
    number = int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else 0
    given = MailboxSettings(
        typed["host"], typed["username"], number, typed["folder"], typed["done_folder"], typed["enabled"]
    )
    try:
        save_mailbox(given, request.POST.get("password", "")[:1_000], person(request).email)
    except SettingsRefused as refused:
        problems = {problem.field: problem.text for problem in refused.problems}
        return _page(request, {"typed": typed, "problems": problems}, 422)
    messages.success(request, _("Saved. Postroom looks into the mailbox now."))
    return redirect("pages:bounce-mailbox")


@administrator_only
@require_POST
def look_now(request: HttpRequest) -> HttpResponse:
    ask_look(person(request).email)
    return redirect("pages:bounce-mailbox")


@administrator_only
@never_cache
@require_safe
def state(request: HttpRequest) -> HttpResponse:
    """How the last look went; polled while one is due."""
    return render(request, "pages/parts/bounce_mailbox_state.html", _state_of(mailbox()))


@administrator_only
@require_POST
def remove(request: HttpRequest) -> HttpResponse:
    remove_mailbox(person(request).email)
    messages.success(request, _("The mailbox is forgotten, and its password with it. Nothing in it was changed."))
    return redirect("pages:bounce-mailbox")


def _state_of(row: BounceMailbox | None) -> dict[str, Any]:
    if row is None:
        return {"row": None}
    step, _newline, said = row.fault.partition("\n")
    asked = row.look_asked_at
    is_looking = asked is not None and (row.looked_at is None or row.looked_at < asked)
    fault = _FAULTS.get(step, step)
    return {"row": row, "fault": fault, "said": "" if step == "password" else said, "is_looking": is_looking}


def _page(request: HttpRequest, more: dict[str, Any], status: int = 200) -> HttpResponse:
    row = mailbox()
    usual = {"port": IMAPS_PORT, "folder": "INBOX", "enabled": True}
    if row is not None:
        given = settings_of(row)
        usual = {name: getattr(given, name) for name in (*_FIELDS, "enabled")}
    context = {
        "crumbs": [(_("Administration"), ""), (_("Mail domains"), ""), (_("Bounce mailbox"), "")],
        "typed": usual, "problems": {}, "has_return_path": _has_return_path(), **_state_of(row), **more,
    }
    return render(request, "pages/bounce_mailbox.html", context, status=status)


def _has_return_path() -> bool:
    """Whether any server collects bounces, so that they can be matched without doubt."""
    return any(server.settings.get("bounce_address") for server in SmtpServer.objects.all())
