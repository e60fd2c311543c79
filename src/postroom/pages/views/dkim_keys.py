"""DKIM keys: made, published by whoever keeps the DNS, looked for, switched on."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.domains.check_domain import TooManyChecks, ask
from postroom.flow.domains.dkim_keys import activate_key, create_key, delete_key, retire_key
from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.pages.access import administrator_only, person
from postroom.pages.queries.dkim_keys import key_view, key_views
from postroom.store.models import DkimKey

ALGORITHMS = {
    "rsa": ("RSA", gettext_lazy("2048 bits; every receiver understands it")),
    "ed25519": ("Ed25519", gettext_lazy("smaller and newer; beside an RSA key")),
}


@never_cache
@require_http_methods(["GET", "POST"])
def dkim_keys(request: HttpRequest) -> HttpResponse:
    """The page, for everybody; administrators make keys with it."""
    if request.method == "POST":
        answer: HttpResponse = _create(request)
        return answer
    return _page(request, {"typed": {"domain": request.GET.get("domain", "")[:253], "algorithm": "rsa"}})


@never_cache
@require_safe
def state(request: HttpRequest, key_id: str) -> HttpResponse:
    """One key, for the page that waits for a look at the DNS (htmx)."""
    typed = request.GET.get("tries", "")
    tries = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 4 else 0
    view = key_view(get_object_or_404(DkimKey, pk=key_id), tries)
    return render(request, "pages/parts/dkim_key.html", {"view": view})


@administrator_only
@require_POST
def check(request: HttpRequest, key_id: str) -> HttpResponse:
    key = get_object_or_404(DkimKey, pk=key_id)
    try:
        ask(key.domain, anew=True)
    except TooManyChecks:
        messages.error(request, _("Many domains wait to be looked at. Try again in a minute."))
    return redirect("pages:dkim-keys")


@administrator_only
@require_POST
def activate(request: HttpRequest, key_id: str) -> HttpResponse:
    key = get_object_or_404(DkimKey, pk=key_id)
    try:
        activate_key(key, person(request).email, unpublished=request.POST.get("unpublished") == "yes")
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    else:
        text = _("Mail of %(domain)s is signed from now on.") % {"domain": key.domain}
        messages.success(request, text)
    return redirect("pages:dkim-keys")


@administrator_only
@require_POST
def retire(request: HttpRequest, key_id: str) -> HttpResponse:
    key = retire_key(get_object_or_404(DkimKey, pk=key_id), person(request).email)
    text = _("The key %(name)s signs no longer. Leave its record published for a week.") % {"name": key.record_name}
    messages.success(request, text)
    return redirect("pages:dkim-keys")


@administrator_only
@require_POST
def remove(request: HttpRequest, key_id: str) -> HttpResponse:
    key = get_object_or_404(DkimKey, pk=key_id)
    try:
        delete_key(key, person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    else:
        messages.success(request, _("The key %(name)s is removed.") % {"name": key.record_name})
    return redirect("pages:dkim-keys")


@administrator_only
def _create(request: HttpRequest) -> HttpResponse:
    typed = {name: request.POST.get(name, "")[:253] for name in ("domain", "algorithm", "selector")}
    try:
        key = create_key(typed["domain"], typed["algorithm"], typed["selector"], person(request).email)
    except SettingsRefused as refusal:
        problems = {problem.field: translated(problem.text) for problem in refusal.problems}
        return _page(request, {"typed": typed, "problems": problems}, 422)
    text = _("The key is made. Publish its record in the DNS of %(domain)s, then check.") % {"domain": key.domain}
    messages.success(request, text)
    return redirect("pages:dkim-keys")


def _page(request: HttpRequest, more: dict[str, Any], status: int = 200) -> HttpResponse:
    context = {
        "crumbs": [(_("Administration"), ""), (_("Mail domains"), ""), (_("DKIM keys"), "")],
        "views": key_views(),
        "algorithms": ALGORITHMS,
        "problems": {},
        **more,
    }
    return render(request, "pages/dkim_keys.html", context, status=status)
