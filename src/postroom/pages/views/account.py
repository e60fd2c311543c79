"""One's own account: password, appearance."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from postroom.flow.first_start import change_password, password_problem
from postroom.pages.access import person
from postroom.pages.frame import SHORTCUTS_COOKIE, THEME_COOKIE

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
    if not user.check_password(request.POST.get("password", "")):
        problems["password"] = "This is not your present password."
    if problem := password_problem(new, user):
        problems["new_password"] = problem["password"]
    if problems:
        return _page(request, problems, 422)
    change_password(user, new)
    update_session_auth_hash(request, user)
    messages.success(request, "Password changed. Your other sessions have ended.")
    return redirect("pages:account")


@require_POST
def appearance(request: HttpRequest) -> HttpResponse:
    """Light or dark, and the keyboard shortcut; kept in this browser."""
    response = redirect(_back(request))
    if request.POST.get("theme") in ("light", "dark"):
        _keep(response, THEME_COOKIE, request.POST["theme"])
    if request.POST.get("shortcuts") in ("on", "off"):
        _keep(response, SHORTCUTS_COOKIE, request.POST["shortcuts"])
    return response


def _keep(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(
        name, value, max_age=_YEAR_S, httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
    )


def _back(request: HttpRequest) -> str:
    path = request.POST.get("back", "")
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/account"


def _page(request: HttpRequest, problems: dict[str, str], status: int) -> HttpResponse:
    labels = {"password": "Present password", "new_password": "New password"}
    summary = [(field, labels[field], text) for field, text in problems.items()]
    context = {"problems": problems, "summary": summary, "crumbs": [("Your account", "")]}
    return render(request, "pages/account.html", context, status=status)
