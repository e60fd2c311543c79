"""First run: the page behind the printed set-up link."""

from zoneinfo import available_timezones

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from postroom.flow.instance.instance import time_zones
from postroom.flow.instance.reader import language
from postroom.flow.users.first_start import SetupRefused, create_administrator, needs_administrator
from postroom.pages import sign_in_limit

_FIELDS = ("code", "name", "email", "time_zone")
_LABELS = {
    "code": gettext_lazy("Set-up code"), "name": gettext_lazy("Your name"), "email": gettext_lazy("E-mail address"),
    "password": gettext_lazy("Password"),
}


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    if not needs_administrator():
        return redirect("pages:overview" if request.user.is_authenticated else "pages:login")
    if request.method == "GET":
        return _page(request, {"code": request.GET.get("code", "")[:40]}, {}, 200)
    typed = {field: request.POST.get(field, "")[:300] for field in _FIELDS}
    if not sign_in_limit.begin_try(request, "set-up"):
        return _page(request, typed, {"code": _("Too many wrong codes. Wait five minutes, then try again.")}, 429)
    zone = typed["time_zone"] if typed["time_zone"] in available_timezones() else "UTC"
    try:
        user = create_administrator(
            typed["code"], typed["name"], typed["email"], request.POST.get("password", ""), zone, language()
        )
    except SetupRefused as refused:
        if "code" not in refused.problems:
            sign_in_limit.take_back(request, "set-up")
        return _page(request, typed, refused.problems, 422)
    sign_in_limit.take_back(request, "set-up")
    login(request, user)
    return redirect("pages:overview")


def _page(request: HttpRequest, typed: dict[str, str], problems: dict[str, str], status: int) -> HttpResponse:
    summary = [(field, _LABELS[field], text) for field, text in problems.items()]
    context = {"typed": typed, "problems": problems, "summary": summary, "zones": time_zones()}
    return render(request, "pages/setup.html", context, status=status)
