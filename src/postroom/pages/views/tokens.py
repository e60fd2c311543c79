"""API tokens: create (shown once), last use, revoke."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from postroom.flow.tokens import create_token, revoke_token
from postroom.pages.access import administrator_only, person
from postroom.store.models import ApiToken

NAME_LENGTH = 100
SCOPES = (
    ("send", "Send", "hands in messages and reads their state"),
    ("read", "Read", "sees messages, deliveries and the activity log"),
    ("admin", "Admin", "does everything, including servers"),
)


@administrator_only
@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return _page(request, {})
    name, scope = request.POST.get("name", "").strip(), request.POST.get("scope", "send")
    problems = {}
    if not name:
        problems["name"] = "Enter the application's name, such as Report server."
    elif len(name) > NAME_LENGTH:
        problems["name"] = f"Shorten the name to {NAME_LENGTH} characters."
    if scope not in ApiToken.Scope.values:
        problems["scope"] = "Choose what the token may do."
    if problems:
        return _page(request, {"problems": problems, "typed": {"name": name, "scope": scope}}, 422)
    token, plain = create_token(name, scope, person(request).email)
    return _page(request, {"created": token, "plain": plain})


@administrator_only
@require_POST
def revoke(request: HttpRequest, token_id: str) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=token_id)
    revoke_token(token, person(request).email)
    messages.success(request, f"The token {token.name} is revoked. Whoever uses it is refused from now on.")
    return redirect("pages:tokens")


def _page(request: HttpRequest, more: dict[str, Any], status: int = 200) -> HttpResponse:
    rows = ApiToken.objects.order_by("-created_at")
    context = {
        "crumbs": [("Administration", ""), ("Access", ""), ("API tokens", "")],
        "live": [token for token in rows if token.revoked_at is None],
        "revoked": [token for token in rows if token.revoked_at is not None],
        "scopes": SCOPES,
        "address": settings.PUBLIC_URL,
        "problems": {},
        "typed": {"scope": "send"},
        **more,
    }
    return render(request, "pages/tokens.html", context, status=status)
