"""One's own account: password, language and time zone, appearance."""

from zoneinfo import available_timezones

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from postroom.flow.instance.instance import LANGUAGES, time_zones
from postroom.flow.users.first_start import change_password, password_problem
from postroom.pages import sign_in_limit
from postroom.pages.access import person
from postroom.pages.frame import SHORTCUTS_COOKIE, THEME_COOKIE
from postroom.pages.middleware import LANGUAGE_COOKIE

_YEAR_S = 365 * 24 * 3600


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    return _page(request, {}, 200)


@sensitive_post_parameters("password", "new_password")
@require_POST
def change_own_password(request: HttpRequest) -> HttpResponse:
    """Sets the new password and ends every other session of this person (T10)."""
    user = person(request)
    new = request.POST.get("new_password", "")
    problems = {}
    if not sign_in_limit.begin_try(request, user.email):
        return _page(request, {"password": str(sign_in_limit.WAIT)}, 429)
    if not user.check_password(request.POST.get("password", "")):
        problems["password"] = _("This is not your present password.")
    else:
        sign_in_limit.take_back(request, user.email)
    if problem := password_problem(new, user):
        problems["new_password"] = problem["password"]
    if problems:
        return _page(request, problems, 422)
    change_password(user, new)
    update_session_auth_hash(request, user)
    messages.success(request, _("Password changed. Your other sessions have ended."))
    return redirect("pages:account")


@require_POST
def region(request: HttpRequest) -> HttpResponse:
    """The person's language and time zone, wherever they sign in."""
    user = person(request)
    wanted, zone = request.POST.get("language", ""), request.POST.get("time_zone", "")
    user.language = wanted if wanted in LANGUAGES else ""
    user.time_zone = zone if zone in available_timezones() else user.time_zone
    user.save(update_fields=["language", "time_zone"])
    if user.language:
        translation.activate(user.language)
    messages.success(request, _("Language and time zone saved."))
    return redirect("pages:account")


@require_POST
def appearance(request: HttpRequest) -> HttpResponse:
    """Light or dark, and the keyboard shortcut; kept in this browser."""
    response = redirect(_back(request, "/account"))
    if request.POST.get("theme") in ("light", "dark"):
        _keep(response, THEME_COOKIE, request.POST["theme"])
    if request.POST.get("shortcuts") in ("on", "off"):
        _keep(response, SHORTCUTS_COOKIE, request.POST["shortcuts"])
    return response


@login_not_required
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """The language of this browser and, when somebody is signed in, of the person."""
    wanted = request.POST.get("language", "")
    response = redirect(_back(request, "/"))
    if wanted in LANGUAGES:
        _keep(response, LANGUAGE_COOKIE, wanted)
        if request.user.is_authenticated:
            person(request).language = wanted
            person(request).save(update_fields=["language"])
    return response


def _keep(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(
        name, value, max_age=_YEAR_S, httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
    )


def _back(request: HttpRequest, otherwise: str) -> str:
    """Where the button was: only a path of our own is followed (W6)."""
    path = request.POST.get("back", "")
    # Browsers drop tabs and line ends from an address before they read it.
    is_ours = path.startswith("/") and path.isprintable() and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return path if is_ours else otherwise


def _page(request: HttpRequest, problems: dict[str, str], status: int) -> HttpResponse:
    labels = {"password": _("Present password"), "new_password": _("New password")}
    summary = [(field, labels[field], text) for field, text in problems.items()]
    context = {
        "problems": problems, "summary": summary, "crumbs": [(_("Your account"), "")],
        "zones": time_zones(person(request).time_zone),
    }
    return render(request, "pages/account.html", context, status=status)
