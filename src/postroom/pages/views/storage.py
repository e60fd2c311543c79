"""Storage and retention: how much room everything takes, and for how long what is over is kept."""

from dataclasses import asdict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from postroom.flow.instance.retention import MOST_DAYS, RetentionRefused, change_retention, retention
from postroom.flow.instance.storage_use import storage_use
from postroom.pages.access import administrator_only, person
from postroom.terms.problem import FieldError

_LABELS = {
    "log_days": gettext_lazy("Activity logs and tests"),
    "content_days": gettext_lazy("Contents of messages"),
    "message_days": gettext_lazy("Messages and their deliveries"),
    "sandbox_days": gettext_lazy("Mail in the sandbox"),
}
_HINTS = {
    "log_days": gettext_lazy("For whoever has to explain later what happened: the activity log of a day, its tests and "
                             "their logs. The last test of each server stays."),
    "content_days": gettext_lazy("For whoever resends or looks at a message: its text and attachments, counted from "
                                 "the end of its last delivery. They take most of the room."),
    "message_days": gettext_lazy("For whoever asks whether a message arrived: recipients, states, every try and reply, "
                                 "counted from the end of its last delivery."),
    "sandbox_days": gettext_lazy("For whoever develops an application: mail that the sandbox caught."),
}


@require_http_methods(["GET", "POST"])
def storage(request: HttpRequest) -> HttpResponse:
    """Everybody may read it."""
    if request.method == "POST":
        changed: HttpResponse = _change(request)
        return changed
    return _page(request, {name: str(days) for name, days in asdict(retention()).items()}, [], 200)


@administrator_only
def _change(request: HttpRequest) -> HttpResponse:
    typed = {name: request.POST.get(name, "")[:20] for name in _LABELS}
    try:
        change_retention(typed, person(request).email)
    except RetentionRefused as refusal:
        return _page(request, typed, refusal.problems, 422)
    messages.success(request, _("Retention saved. What is over is removed within the hour."))
    return redirect("pages:storage")


def _page(request: HttpRequest, typed: dict[str, str], problems: list[FieldError], status: int) -> HttpResponse:
    texts = {problem.field: problem.text for problem in problems}
    context = {
        "crumbs": [(_("Administration"), ""), (_("System"), ""), (_("Storage and retention"), "")],
        "fields": [(name, label, typed[name], _HINTS[name], texts.get(name, "")) for name, label in _LABELS.items()],
        "summary": [(problem.field, _LABELS[problem.field], problem.text) for problem in problems],
        "most": MOST_DAYS,
        "use": storage_use(),
    }
    return render(request, "pages/storage.html", context, status=status)
