"""Set a password by a link: after an invitation, or for who has forgotten theirs. Without signing in."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from postroom.flow.instance.refusals import NotPossible
from postroom.flow.users.account_links import ask_reset, link_of, set_password
from postroom.flow.users.people import PersonRefused
from postroom.pages import sign_in_limit
from postroom.terms.address import AddressProblem, parse_address


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def forgot_password(request: HttpRequest) -> HttpResponse:
    """Whatever address is entered, the answer is the same, and takes as long (W8)."""
    if request.method != "POST":
        return _asking(request, request.GET.get("email", "")[:254], "", 200)
    email = request.POST.get("email", "").strip()[:254]
    try:
        parse_address(email)
    except AddressProblem as problem:
        return _asking(request, email, str(problem), 422)
    # Of its own kind: who asks for a link has not failed to sign in.
    if not sign_in_limit.begin_try(request, f"reset:{email}"):
        return _asking(request, email, str(_("Too many requests. Wait five minutes, then try again.")), 429)
    ask_reset(email, timezone.now())
    return render(request, "pages/forgot_password.html", {"asked": email})


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def password_link(request: HttpRequest, token: str) -> HttpResponse:
    """Looking at the link uses nothing up: programs that look through mail do that."""
    link = link_of(token, timezone.now())
    if link is None or link.user is None:
        return render(request, "pages/password_link.html", {"gone": True}, status=404)
    context: dict[str, Any] = {"person": link.user, "purpose": link.purpose, "token": token}
    if request.method != "POST":
        return render(request, "pages/password_link.html", context)
    try:
        set_password(token, request.POST.get("password", ""), timezone.now())
    except PersonRefused as refusal:
        return render(request, "pages/password_link.html", {**context, "problem": refusal.text}, status=422)
    except NotPossible:
        return render(request, "pages/password_link.html", {"gone": True}, status=404)
    messages.success(request, _("Your password is set. Log in with it."))
    return redirect("pages:login")


def _asking(request: HttpRequest, email: str, problem: str, status: int) -> HttpResponse:
    return render(request, "pages/forgot_password.html", {"email": email, "problem": problem}, status=status)
