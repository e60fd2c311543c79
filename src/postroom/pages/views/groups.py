"""Groups of recipients: the list, making and changing one, who is in it, removing and putting back."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.recipients import recipient_groups as flow
from postroom.pages import words
from postroom.pages.access import operator_only, person
from postroom.pages.queries.recipients import group_rows, recipient_page
from postroom.store.models import RecipientGroup, User
from postroom.terms.problem import FieldError

_LIST = gettext_lazy("Groups")
_LABELS = {
    "name": gettext_lazy("Name"), "description": gettext_lazy("Description"), "members": gettext_lazy("Members"),
}
_CHARACTERS = 200_000


@require_http_methods(["GET", "HEAD", "POST"])
def groups(request: HttpRequest) -> HttpResponse:
    """All groups; the form makes one with its members."""
    if request.method != "POST":
        return _page(request, {}, [])
    answer: HttpResponse = _add(request)
    return answer


@operator_only
def _add(request: HttpRequest) -> HttpResponse:
    typed = {**_typed(request), "members": request.POST.get("members", "")[:_CHARACTERS]}
    try:
        row, joined = flow.add_group(typed, person(request).email, flow.entries_in(typed["members"]))
    except SettingsRefused as refused:
        return _page(request, typed, refused.problems)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return _page(request, typed, [])
    messages.success(request, _("“%(name)s” is made. %(joined)s") % {"name": row.name, "joined": _joined(joined)})
    return redirect("pages:group", row.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def group(request: HttpRequest, group_id: str) -> HttpResponse:
    """A group's name and members; everybody may read it."""
    if request.method == "POST":
        answer: HttpResponse = _change(request, group_id)
        return answer
    row = get_object_or_404(RecipientGroup, pk=group_id)
    return _group_page(request, row, flow.group_json(row), [])


@operator_only
def _change(request: HttpRequest, group_id: str) -> HttpResponse:
    row, typed = get_object_or_404(RecipientGroup, pk=group_id), _typed(request)
    try:
        flow.change_group(row.pk, typed, person(request).email)
    except SettingsRefused as refused:
        return _group_page(request, row, typed, refused.problems)
    except NotPossible as reason:
        return _gone(request, reason)
    messages.success(request, _("%(name)s is saved.") % {"name": typed["name"]})
    return redirect("pages:group", row.pk)


@operator_only
@require_POST
def join(request: HttpRequest, group_id: str) -> HttpResponse:
    row = get_object_or_404(RecipientGroup, pk=group_id)
    typed = request.POST.get("members", "")[:_CHARACTERS]
    try:
        joined = flow.add_members(row.pk, flow.entries_in(typed), person(request).email)
    except SettingsRefused as refused:
        return _group_page(request, row, {**flow.group_json(row), "members": typed}, refused.problems)
    except NotPossible as reason:
        return _gone(request, reason)
    messages.success(request, _joined(joined))
    return redirect("pages:group", row.pk)


@operator_only
@require_POST
def leave(request: HttpRequest, group_id: str, recipient_id: str) -> HttpResponse:
    try:
        flow.remove_members(group_id, [recipient_id], person(request).email)
    except NotPossible as reason:
        return _gone(request, reason)
    return redirect(f"{reverse('pages:group', args=[group_id])}?left={recipient_id}")


@operator_only
@require_POST
def remove(request: HttpRequest, group_id: str) -> HttpResponse:
    try:
        removal = flow.remove_group(group_id, person(request).email)
    except NotPossible as reason:
        return _gone(request, reason)
    return redirect(f"{reverse('pages:groups')}?removed={removal}")


@operator_only
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Put a removed group back."""
    try:
        row = flow.put_back_group(request.POST.get("removal", ""), person(request).email)
    except NotPossible as reason:
        return _gone(request, reason)
    messages.success(request, _("“%(name)s” is back.") % {"name": row.name})
    return redirect("pages:groups")


def _typed(request: HttpRequest) -> dict[str, str]:
    return {name: request.POST.get(name, "").strip()[:600] for name in ("name", "description")}


def _joined(joined: flow.Joined) -> str:
    came = ngettext("%(n)s recipient came in", "%(n)s recipients came in", joined.members)
    new = ngettext("%(n)s of them is new", "%(n)s of them are new", joined.recipients)
    return f"{came % {'n': words.number(joined.members)}}, {new % {'n': words.number(joined.recipients)}}."


def _gone(request: HttpRequest, reason: NotPossible) -> HttpResponse:
    messages.error(request, translated(str(reason)))
    return redirect("pages:groups")


def _page(request: HttpRequest, typed: dict[str, Any], problems: list[FieldError]) -> HttpResponse:
    context = {
        "crumbs": [(_("Recipients"), reverse("pages:recipients")), (_LIST, "")], "rows": group_rows(),
        "removed": request.GET.get("removed", "")[:26], **_form_context(request, typed, problems),
    }
    return render(request, "pages/groups.html", context, status=422 if problems else 200)


def _group_page(
    request: HttpRequest, row: RecipientGroup, typed: dict[str, Any], problems: list[FieldError]
) -> HttpResponse:
    context = {
        "crumbs": [
            (_("Recipients"), reverse("pages:recipients")), (_LIST, reverse("pages:groups")), (row.name, ""),
        ],
        "row": row, "page": recipient_page(request.GET, row.pk), "left": request.GET.get("left", "")[:26],
        "subscriptions": row.subscribed.select_related("subscription").order_by("subscription__name"),
        **_form_context(request, typed, problems),
    }
    return render(request, "pages/group.html", context, status=422 if problems else 200)


def _form_context(request: HttpRequest, typed: dict[str, Any], problems: list[FieldError]) -> dict[str, Any]:
    return {
        "typed": typed, "problems": {problem.field: problem.text for problem in problems},
        "summary": [(problem.field, _LABELS[problem.field], problem.text) for problem in problems],
        "may_operate": person(request).role != User.Role.VIEWER,
    }
