"""The load planner: when the reports of a day will really have left. Everybody may read it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from postroom.pages.queries.load_plan import page


@require_safe
def load_plan(request: HttpRequest) -> HttpResponse:
    crumbs = [(_("Administration"), ""), (_("Reports"), ""), (_("Load planner"), "")]
    context = {"crumbs": crumbs, "page": page(request.GET.get("day", "")[:10], timezone.now())}
    return render(request, "pages/load_plan.html", context)
