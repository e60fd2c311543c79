"""Log in and log out."""

from typing import Any

from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from postroom.flow.users.first_start import needs_administrator
from postroom.pages import sign_in_limit

_WRONG = gettext_lazy("E-mail address and password do not match an account. Check both.")


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    after = _relative(request.POST.get("next") or request.GET.get("next") or "")
    if request.user.is_authenticated:
        return redirect(after or "pages:overview")
    if request.method == "GET":
        return _page(request, "", after, "", 200)
    email = request.POST.get("email", "")[:254]
    if not sign_in_limit.begin_try(request, email):
        return _page(request, email, after, sign_in_limit.WAIT, 429)
    user = authenticate(request, username=email.strip().lower(), password=request.POST.get("password", ""))
    if user is None:
        return _page(request, email, after, _WRONG, 422)
    sign_in_limit.take_back(request, email)
    login(request, user)
    return redirect(after or "pages:overview")


@login_not_required
@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("pages:login")


def _page(request: HttpRequest, email: str, after: str, problem: Any, status: int) -> HttpResponse:
    context = {"email": email, "next": after, "problem": problem, "empty": needs_administrator()}
    return render(request, "pages/login.html", context, status=status)


def _relative(target: str) -> str:
    """Only a path of our own is followed (W6)."""
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts=None) and target.startswith("/")
    return target if safe and not target.startswith(("//", "/\\")) else ""
