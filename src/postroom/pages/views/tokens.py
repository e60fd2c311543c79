"""API tokens: create (shown once), last use, revoke."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from postroom.flow.users.tokens import create_token, revoke_token
from postroom.pages import shown_once
from postroom.pages.access import administrator_only, person
from postroom.pages.queries.smtp_door import smtp_door
from postroom.store.models import ApiToken

NAME_LENGTH = 100
SCOPES = {
    "send": (gettext_lazy("Send"), gettext_lazy("hands in messages and reads their state")),
    "read": (gettext_lazy("Read"), gettext_lazy("sees messages, deliveries and the activity log")),
    "admin": (gettext_lazy("Admin"), gettext_lazy("does everything, including servers")),
}


@administrator_only
@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return _page(request, _just_created(request))
    name, scope = request.POST.get("name", "").strip(), request.POST.get("scope", "send")
    problems = {}
    if not name:
        problems["name"] = _("Enter the application's name, such as Report server.")
    elif len(name) > NAME_LENGTH:
        problems["name"] = _("Shorten the name to %(most)d characters.") % {"most": NAME_LENGTH}
    elif not name.isprintable():
        problems["name"] = _("Remove the line breaks and control characters.")
    if scope not in ApiToken.Scope.values:
        problems["scope"] = _("Choose what the token may do.")
    if problems:
        return _page(request, {"problems": problems, "typed": {"name": name, "scope": scope}}, 422)
    token, plain = create_token(name, scope, person(request).email)
    shown_once.keep(request, f"token:{token.pk}", plain)
    return redirect(f"{reverse('pages:tokens')}?new={token.pk}")


@administrator_only
@require_POST
def revoke(request: HttpRequest, token_id: str) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=token_id)
    revoke_token(token, person(request).email)
    text = _("The token %(name)s is revoked. Whoever uses it is refused from now on.") % {"name": token.name}
    messages.success(request, text)
    return redirect("pages:tokens")


def _just_created(request: HttpRequest) -> dict[str, Any]:
    """The token that this person has just made, the first time the page is loaded; {} from then on."""
    token = ApiToken.objects.filter(pk=request.GET.get("new", "")[:26]).first()
    if token is None:
        return {}
    plain = shown_once.take(request, f"token:{token.pk}")
    return {"created": token, "plain": plain} if plain else {}


def _page(request: HttpRequest, more: dict[str, Any], status: int = 200) -> HttpResponse:
    rows = list(ApiToken.objects.order_by("-created_at"))
    context = {
        "crumbs": [(_("Administration"), ""), (_("Access"), ""), (_("API tokens"), "")],
        "live": [{"token": row, "may": SCOPES[row.scope][0]} for row in rows if row.revoked_at is None],
        "revoked": [row for row in rows if row.revoked_at is not None],
        "scopes": SCOPES,
        "address": settings.PUBLIC_URL,
        "door": smtp_door(),
        "problems": {},
        "typed": {"scope": "send"},
        **more,
    }
    return render(request, "pages/tokens.html", context, status=status)
