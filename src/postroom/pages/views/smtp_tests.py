"""A test of a server: progress, result, log, and what may follow it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow import configure
from postroom.pages.access import administrator_only, person
from postroom.pages.forms.smtp_server import LABELS, setting_words
from postroom.pages.queries.server_facts import allowances, encryption
from postroom.pages.queries.server_tests import view_of
from postroom.pages.queries.servers import ordered_servers
from postroom.store.models import ServerTest
from postroom.terms.limits import TEST_TIMEOUT_S
from postroom.terms.server import Auth

from .smtp_servers import CRUMBS


@never_cache
@require_safe
def smtp_test(request: HttpRequest, test_id: str) -> HttpResponse:
    return render(request, "pages/smtp_test.html", _context(_test(test_id)))


@never_cache
@require_safe
def progress(request: HttpRequest, test_id: str) -> HttpResponse:
    """The changed part of the page; 204 while there is nothing new, so that nothing moves under the reader."""
    context = _context(_test(test_id))
    if request.GET.get("seen") == context["view"].version:
        return HttpResponse(status=204)
    return render(request, "pages/smtp_test_work.html", context)


@require_safe
def log(_request: HttpRequest, test_id: str) -> HttpResponse:
    test = _test(test_id)
    text = "\n".join(str(line) for line in test.transcript) + "\n"
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="smtp-test-{test.pk}.log"'
    return response


@administrator_only
@require_POST
def stop(request: HttpRequest, test_id: str) -> HttpResponse:
    test = _test(test_id)
    configure.stop_test(test, person(request).email)
    return redirect("pages:smtp-test", test.pk)


@administrator_only
@require_POST
def again(request: HttpRequest, test_id: str) -> HttpResponse:
    """The same settings once more, with or without sending."""
    test = _test(test_id)
    try:
        new = configure.start_test(
            test.typed_settings, password=None, based_on=test, server=test.server,
            send=(test.send and request.POST.get("send") != "no") or request.POST.get("send") == "yes",
            actor=person(request).email,
        )
    except configure.SettingsRefused as refused:
        messages.error(request, refused.problems[0].text)
        return redirect(f"/smtp-servers/new?test={test.pk}")
    return redirect("pages:smtp-test", new.pk)


@administrator_only
@require_POST
def save(request: HttpRequest, test_id: str) -> HttpResponse:
    test = _test(test_id)
    try:
        server = configure.save_tested(
            test, make_default=request.POST.get("make_default") == "on", actor=person(request).email
        )
    except configure.NotPossible as reason:
        messages.error(request, str(reason))
        return redirect("pages:smtp-test", test.pk)
    except configure.SettingsRefused as refused:
        messages.error(request, refused.problems[0].text)
        return redirect(f"/smtp-servers/new?test={test.pk}")
    default = " It is the default." if server.is_default else ""
    messages.success(request, f"{server.name} is saved and verified.{default}")
    return redirect("pages:smtp-servers")


@administrator_only
@require_http_methods(["GET", "POST"])
def save_untested(request: HttpRequest, test_id: str) -> HttpResponse:
    """Asks for the reason; the settings and the sealed password are those of the test."""
    test = _test(test_id)
    problem = ""
    if request.method == "POST":
        reason = request.POST.get("reason", "")
        try:
            server = configure.save_untested(
                test.typed_settings, password=None, based_on=test, server=test.server, reason=reason,
                use_unverified=request.POST.get("use_unverified") == "on", actor=person(request).email,
            )
        except configure.SettingsRefused as refused:
            problem = refused.problems[0].text
        except configure.NotPossible as reason:
            problem = str(reason)
        else:
            messages.success(request, f"{server.name} is saved. It has not passed a live test.")
            return redirect("pages:smtp-servers")
    context = {"test": test, "settings": test.typed_settings, "problem": problem,
               "crumbs": [*CRUMBS, ("Save without testing", "")]}
    return render(request, "pages/smtp_test_save.html", context, status=422 if problem else 200)


def _test(test_id: str) -> ServerTest:
    return get_object_or_404(ServerTest.objects.select_related("server"), pk=test_id)


def _context(test: ServerTest) -> dict[str, Any]:
    view = view_of(test)
    title = test.server.name if test.server else "Configure SMTP server"
    return {
        "crumbs": [*CRUMBS, (title, "")],
        "title": title,
        "test": test,
        "view": view,
        "settings": view.settings,
        "setting_rows": _setting_rows(test),
        "changes": _changes(test),
        "gives_up_s": round(TEST_TIMEOUT_S),
        "encryption": encryption(test.facts),
        "allowances": allowances(test.facts),
        "needs_default": not any(s.is_default and not s.is_sandbox for s in ordered_servers()),
        "now": timezone.localtime(test.finished_at or timezone.now()),
        "halves": (view.stages[: (view.total + 1) // 2], view.stages[(view.total + 1) // 2 :]),
    }


def _setting_rows(test: ServerTest) -> list[tuple[str, str, str]]:
    """(label, value, kind) of what is tested; kind "mono" or ""."""
    settings = test.typed_settings
    rows = [
        ("name", settings.name, "b"), ("host", settings.host, "mono"), ("port", settings.port, "mono"),
        ("security", settings.security, ""), ("auth", settings.auth, ""),
    ]
    found = [(LABELS[name], setting_words(name, value), kind) for name, value, kind in rows]
    if settings.auth is Auth.PASSWORD:
        found += [("Username", settings.username, ""), ("Password", "Set, never shown", "quiet")]
    if not settings.verify_certificate:
        found.append(("Certificate", "Not checked", "warn"))
    return [*found, ("Test Mail", settings.test_recipient or "–", "")]


def _changes(test: ServerTest) -> list[tuple[str, str, str]]:
    """(label, old, new) of a proposal's fields; nothing when it names a field that the form does not have."""
    proposal = (test.finding or {}).get("proposal") or {}
    present = test.typed_settings.as_json()
    if not all(name in present and name in LABELS for name in proposal):
        return []
    return [
        (LABELS[name], setting_words(name, present[name]), setting_words(name, value))
        for name, value in proposal.items()
    ]
