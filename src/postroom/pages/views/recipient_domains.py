"""The domains that mail may go to."""

import re

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from postroom.flow.domains.recipient_domains import allow_only, allowed_domains
from postroom.flow.instance.refusals import SettingsRefused
from postroom.pages.access import administrator_only, person

_CHARACTERS = 60_000


@require_http_methods(["GET", "HEAD", "POST"])
def recipient_domains(request: HttpRequest) -> HttpResponse:
    """Everybody reads the list, administrators change it."""
    if request.method != "POST":
        return _page(request, "\n".join(allowed_domains().patterns), {})
    answer: HttpResponse = _change(request)
    return answer


@administrator_only
def _change(request: HttpRequest) -> HttpResponse:
    typed = request.POST.get("domains", "")[:_CHARACTERS]
    try:
        wanted = allow_only([domain for domain in re.split(r"[\s,;]+", typed) if domain], person(request).email)
    except SettingsRefused as refused:
        return _page(request, typed, {problem.field: problem.text for problem in refused.problems})
    if wanted.patterns:
        messages.success(request, _("Saved. Mail to other domains is refused from now on."))
    else:
        messages.success(request, _("Saved. Mail may go to every domain."))
    return redirect("pages:recipient-domains")


def _page(request: HttpRequest, typed: str, problems: dict[str, str]) -> HttpResponse:
    context = {
        "crumbs": [(_("Administration"), ""), (_("Mail domains"), ""), (_("Recipient domains"), "")],
        "typed": typed, "problems": problems, "allowed": allowed_domains().patterns,
    }
    return render(request, "pages/recipient_domains.html", context, status=422 if problems else 200)
