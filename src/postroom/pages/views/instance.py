"""What this installation is called, its language and its time zone; and the address it is reached by."""

from dataclasses import asdict

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from postroom.flow.instance.instance import LANGUAGES, NAME_CHARACTERS, SiteRefused, change_site, site, time_zones
from postroom.pages.access import administrator_only, person
from postroom.pages.queries.smtp_door import smtp_door
from postroom.terms.problem import FieldError

_FIELDS = ("name", "language", "time_zone")


@require_http_methods(["GET", "POST"])
def instance(request: HttpRequest) -> HttpResponse:
    """Everybody may read it."""
    return _change(request) if request.method == "POST" else _page(request, asdict(site()), [], 200)


@administrator_only
def _change(request: HttpRequest) -> HttpResponse:
    typed = {name: request.POST.get(name, "")[:200] for name in _FIELDS}
    try:
        change_site(typed, person(request).email)
    except SiteRefused as refusal:
        return _page(request, typed, refusal.problems, 422)
    messages.success(request, _("Instance settings saved."))
    return redirect("pages:instance")


def _page(request: HttpRequest, typed: dict[str, str], problems: list[FieldError], status: int) -> HttpResponse:
    labels = {"name": _("Name"), "language": _("Language"), "time_zone": _("Time zone")}
    context = {
        "crumbs": [(_("Administration"), ""), (_("System"), ""), (_("Instance"), "")],
        "typed": typed,
        "problems": {problem.field: problem.text for problem in problems},
        "summary": [(problem.field, labels[problem.field], problem.text) for problem in problems],
        "languages": LANGUAGES,
        "zones": time_zones(typed["time_zone"] or "UTC"),
        "most": NAME_CHARACTERS,
        "address": settings.PUBLIC_URL,
        "data_folder": settings.DATA_DIR,
        "ports": settings.SMTP_PORTS,
        "door": smtp_door(),
    }
    return render(request, "pages/instance.html", context, status=status)
