"""Branding: accent colour, logo and footer of the mail of this installation."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from postroom.flow.instance.branding import FOOTER_CHARACTERS, LOGO_BYTES, branding, change_branding
from postroom.flow.instance.reader import language
from postroom.flow.instance.refusals import SettingsRefused
from postroom.flow.templates.built_in import built_in
from postroom.pages.access import administrator_only, person
from postroom.pages.queries.templates import shown_of
from postroom.terms.problem import FieldError


@require_http_methods(["GET", "HEAD", "POST"])
def branding_page(request: HttpRequest) -> HttpResponse:
    """Everybody may read it."""
    if request.method == "POST":
        answer: HttpResponse = _change(request)
        return answer
    brand = branding()
    return _page(request, {"accent": brand.accent, "footer": brand.footer}, [], 200)


@administrator_only
def _change(request: HttpRequest) -> HttpResponse:
    typed = {"accent": request.POST.get("accent", "")[:20], "footer": request.POST.get("footer", "")[:2_000]}
    logo: dict[str, bytes | None] = {"logo": None} if "no_logo" in request.POST else {}
    if (file := request.FILES.get("logo")) is not None:
        logo = {"logo": file.read(LOGO_BYTES + 1)}
    try:
        change_branding({**typed, **logo}, person(request).email)
    except SettingsRefused as refused:
        return _page(request, typed, refused.problems, 422)
    messages.success(request, _("Branding saved. Mail that is written from now on looks like this."))
    return redirect("pages:branding")


def _page(request: HttpRequest, typed: dict[str, str], problems: list[FieldError], status: int) -> HttpResponse:
    labels = {"accent": _("Accent colour"), "footer": _("Footer"), "logo": _("Logo")}
    example = built_in()["announcement"]
    told = {
        "title": _("Maintenance on Saturday"),
        "text": _("Reports are not available on Saturday from 08:00 to 10:00. What is due then is sent afterwards."),
    }
    context = {
        "crumbs": [
            (_("Administration"), ""), (_("Reports"), ""), (_("Templates"), reverse("pages:templates")),
            (_("Branding"), ""),
        ],
        "typed": typed,
        "problems": {problem.field: problem.text for problem in problems},
        "summary": [(problem.field, labels[problem.field], problem.text) for problem in problems],
        "brand": branding(),
        "most_footer": FOOTER_CHARACTERS,
        "most_logo": LOGO_BYTES,
        "preview": shown_of(example.sources.get(language(), example.sources["en"]), {**example.sample, **told}),
    }
    return render(request, "pages/branding.html", context, status=status)
