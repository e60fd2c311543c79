"""The fields of a schedule, as they are filled in: what is understood, the next runs, and words from chosen days."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from postroom.flow.instance.reader import language
from postroom.pages.forms.schedule_builder import builder_context, chosen_of, words_of
from postroom.pages.queries.schedule import schedule_context

_NAMES = ("words", "cron", "time_zone", "calendar")


@require_safe
def preview(request: HttpRequest) -> HttpResponse:
    """How the words are understood, and beside them the next runs."""
    typed = {name: request.GET.get(name, "")[:250] for name in _NAMES}
    return render(request, "pages/parts/schedule_said.html", {**schedule_context(typed), "is_part": True})


@require_safe
def words(request: HttpRequest) -> HttpResponse:
    """The fields again, with words for the days and times that were chosen."""
    chosen = chosen_of(request.GET)
    typed = {name: request.GET.get(name, "")[:250] for name in _NAMES}
    if said := words_of(chosen, language()):
        typed |= {"words": said, "cron": ""}
    context = {**schedule_context(typed), **builder_context(chosen), "typed": typed, "is_part": True}
    return render(request, "pages/parts/schedule_fields.html", context)
