"""Recipients from a file and into one: look first, then take; take back; export."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.recipients.recipient_export import csv_parts
from postroom.flow.recipients.recipient_file import FILE_BYTES, FileRefused
from postroom.flow.recipients.recipient_import import take, undo
from postroom.flow.recipients.recipient_plan import Fate, Plan, planned
from postroom.pages import words
from postroom.pages.access import operator_only, person
from postroom.pages.queries.recipients import newest_imports
from postroom.store import audit
from postroom.store.blobs import DamagedBlob
from postroom.store.drafts import Drafts
from postroom.store.models import RecipientGroup

BAD_SHOWN = 200


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def recipient_import(request: HttpRequest) -> HttpResponse:
    """Choose a file; see what would become of each line; take it. The file waits among the drafts meanwhile."""
    if request.method != "POST":
        return _page(request, {})
    group = request.POST.get("group", "").strip()[:200]
    try:
        octets, name = _file(request)
        plan = planned(octets, group)
        if request.POST.get("do") == "take":
            return _taken(request, plan, name)
    except FileRefused as refused:
        return _page(request, {"problems": {"file": refused.text}, "group": group}, 422)
    except NotPossible as reason:
        return _page(request, {"problems": {"file": str(reason)}, "group": group}, 422)
    blob = _drafts().put(octets)
    return _page(request, {
        "plan": plan, "group": group, "file_name": name, "draft": f"{blob.digest}-{blob.size_bytes}",
        "counts": {str(fate): plan.count(fate) for fate in Fate}, "bad": plan.bad[:BAD_SHOWN],
        "more_bad": max(0, len(plan.bad) - BAD_SHOWN),
    })


@operator_only
@require_POST
def undo_import(request: HttpRequest, import_id: str) -> HttpResponse:
    try:
        removed, set_back = undo(import_id, actor=person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    else:
        gone = ngettext("%(n)s recipient removed", "%(n)s recipients removed", removed) % {"n": words.number(removed)}
        back = ngettext("%(n)s set back", "%(n)s set back", set_back) % {"n": words.number(set_back)}
        messages.success(request, f"{gone}, {back}.")
    return redirect("pages:recipient-import")


@operator_only
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """All recipients, or those of a group, as CSV."""
    group = RecipientGroup.objects.filter(pk=request.GET.get("group", "")[:26]).first()
    audit.record(person(request).email, "recipients.export", group.name if group else "recipients")
    name = f"recipients-{timezone.localtime():%Y-%m-%d}.csv"
    header = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(_parts(group), content_type="text/csv; charset=utf-8", headers=header)


async def _parts(group: RecipientGroup | None) -> AsyncIterator[str]:
    """Part by part, while it is read."""
    parts = csv_parts(group)
    while (part := await sync_to_async(_next)(parts)) is not None:
        yield part


def _next(parts: Iterator[str]) -> str | None:
    return next(parts, None)


def _file(request: HttpRequest) -> tuple[bytes, str]:
    """Octets and name of the chosen file, or of the one that was looked at before. Raises FileRefused."""
    file = request.FILES.get("file")
    if file is not None:
        return file.read(FILE_BYTES + 1), (file.name or "")[:255]
    digest, _dash, size = request.POST.get("draft", "").partition("-")
    if not digest:
        raise FileRefused(_("Choose a CSV or XLSX file first."))
    try:
        return _drafts().read(digest[:64], int(size)), request.POST.get("file_name", "")[:255]
    except (DamagedBlob, ValueError):
        raise FileRefused(_("The file is no longer here. Choose it again.")) from None


def _taken(request: HttpRequest, plan: Plan, name: str) -> HttpResponse:
    entry = take(plan, file_name=name, actor=person(request).email)
    added = ngettext("%(n)s recipient added", "%(n)s recipients added", entry.added)
    changed = ngettext("%(n)s changed", "%(n)s changed", entry.changed)
    left_out = ngettext("%(n)s line left out", "%(n)s lines left out", entry.left_out)
    counts = ((added, entry.added), (changed, entry.changed), (left_out, entry.left_out))
    messages.success(request, f"{', '.join(text % {'n': words.number(number)} for text, number in counts)}.")
    return redirect("pages:recipient-import")


def _drafts() -> Drafts:
    return Drafts(Path(settings.DATA_DIR) / "drafts")


def _page(request: HttpRequest, more: dict[str, Any], status: int = 200) -> HttpResponse:
    context = {
        "crumbs": [(_("Recipients"), reverse("pages:recipients")), (_("Import"), "")], "problems": {},
        "groups": RecipientGroup.objects.all(), "imports": newest_imports(), **more,
    }
    return render(request, "pages/recipient_import.html", context, status=status)
