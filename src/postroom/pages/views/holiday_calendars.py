"""Holiday calendars: the list, adding and changing one, removing one and putting it back."""

import re
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.subscriptions.holiday_calendars import (
    NAME_CHARACTERS,
    add_calendar,
    calendar_json,
    change_calendar,
    put_back,
    remove_calendar,
)
from postroom.pages.access import operator_only, person
from postroom.pages.countries import country_meant
from postroom.pages.queries.holiday_calendars import calendar_rows, coming_days, country_choices
from postroom.store.models import HolidayCalendar, User
from postroom.terms.problem import FieldError

_LIST = gettext_lazy("Holiday calendars")
_CRUMBS = [(gettext_lazy("Administration"), ""), (gettext_lazy("Reports"), "")]
_LABELS = {
    "name": gettext_lazy("Name"), "countries": gettext_lazy("Public holidays of"), "days": gettext_lazy("Own days off"),
}
_TYPED_CHARACTERS = 20_000


@require_safe
def holiday_calendars(request: HttpRequest) -> HttpResponse:
    """Everybody may read it."""
    context = {
        "crumbs": [*_CRUMBS, (_LIST, "")], "rows": calendar_rows(), "removed": request.GET.get("removed", "")[:26],
        "may_operate": person(request).role != User.Role.VIEWER,
    }
    return render(request, "pages/holiday_calendars.html", context)


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def new_holiday_calendar(request: HttpRequest) -> HttpResponse:
    return _form(request, None)


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def holiday_calendar(request: HttpRequest, calendar_id: str) -> HttpResponse:
    return _form(request, get_object_or_404(HolidayCalendar, pk=calendar_id))


@operator_only
@require_POST
def remove(request: HttpRequest, calendar_id: str) -> HttpResponse:
    try:
        removal = remove_calendar(calendar_id, person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:holiday-calendars")
    return redirect(f"{reverse('pages:holiday-calendars')}?removed={removal}")


@operator_only
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Put a removed calendar back."""
    try:
        row = put_back(request.POST.get("removal", "")[:26], person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    else:
        messages.success(request, _("%(name)s is back.") % {"name": row.name})
    return redirect("pages:holiday-calendars")


def _form(request: HttpRequest, row: HolidayCalendar | None) -> HttpResponse:
    typed = calendar_json(row) if row else {"name": "", "countries": [], "days": []}
    problems: list[FieldError] = []
    if request.method == "POST":
        typed = _typed(request)
        actor = person(request).email
        try:
            saved = add_calendar(typed, actor) if row is None else change_calendar(row.pk, typed, actor)
        except SettingsRefused as refused:
            problems = refused.problems
        except NotPossible as reason:
            messages.error(request, translated(str(reason)))
            return redirect("pages:holiday-calendars")
        else:
            messages.success(request, _("%(name)s saved.") % {"name": saved.name})
            return redirect("pages:holiday-calendars")
    title = row.name if row else _("Add calendar")
    context: dict[str, Any] = {
        "crumbs": [*_CRUMBS, (_LIST, reverse("pages:holiday-calendars")), (title, "")], "calendar": row, "title": title,
        "typed": typed, "lines": {name: "\n".join(typed[name]) for name in ("countries", "days")},
        "problems": {problem.field: problem.text for problem in problems},
        "summary": [(problem.field, _LABELS[problem.field], problem.text) for problem in problems],
        "most_name": NAME_CHARACTERS, "coming": coming_days(row) if row else (), "choices": country_choices(),
    }
    return render(request, "pages/holiday_calendar.html", context, status=422 if problems else 200)


def _typed(request: HttpRequest) -> dict[str, Any]:
    def lines(name: str) -> list[str]:
        typed = request.POST.get(name, "")[:_TYPED_CHARACTERS]
        return [line.strip() for line in re.split(r"[\r\n,;]+", typed) if line.strip()]

    name = request.POST.get("name", "").strip()[:1_000]
    return {"name": name, "countries": [country_meant(line) for line in lines("countries")], "days": lines("days")}
