"""A test of a server: its page, its progress, its log."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from postroom.flow.instance.reader import told_warnings
from postroom.flow.instance.retain import TESTS_KEPT
from postroom.flow.probes.test_log import log_text
from postroom.flow.servers.waiting_mail import COUNTED, count_waiting
from postroom.pages.access import person
from postroom.pages.forms.smtp_server import LABELS, setting_words
from postroom.pages.queries.known_limits import known_limits
from postroom.pages.queries.server_facts import allowances, encryption
from postroom.pages.queries.server_tests import view_of
from postroom.pages.queries.test_proposal import asks_for_sign_in, colleague_link, proposal_of
from postroom.store.models import ServerTest, SmtpServer, User
from postroom.terms.limits import TEST_TIMEOUT_S
from postroom.terms.outcome import TestStatus
from postroom.terms.server import Auth

from .smtp_servers import CRUMBS


@never_cache
@require_safe
def smtp_test(request: HttpRequest, test_id: str) -> HttpResponse:
    return page_of(request, named_test(test_id))


@never_cache
@require_safe
def progress(request: HttpRequest, test_id: str) -> HttpResponse:
    """The changed part of the page; 204 while there is nothing new, so that nothing moves under the reader."""
    context = _context(request, named_test(test_id))
    if request.GET.get("seen") == context["view"].version:
        return HttpResponse(status=204)
    return render(request, "pages/smtp_test_work.html", context)


@require_safe
def log(_request: HttpRequest, test_id: str) -> HttpResponse:
    test = named_test(test_id)
    response = HttpResponse(log_text(test), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="smtp-test-{test.pk}.log"'
    return response


def named_test(test_id: str) -> ServerTest:
    return get_object_or_404(ServerTest.objects.select_related("server"), pk=test_id)


def page_of(request: HttpRequest, test: ServerTest, problems: Mapping[str, str] | None = None) -> HttpResponse:
    """The page; with `problems` by field name where what was entered for another test is refused."""
    context = {**_context(request, test), "problems": problems or {}, "typed": request.POST}
    return render(request, "pages/smtp_test.html", context, status=422 if problems else 200)


def _context(request: HttpRequest, test: ServerTest) -> dict[str, Any]:
    view = view_of(test)
    title = test.server.name if test.server else _("Configure SMTP server")
    half = (view.total + 1) // 2
    return {
        "crumbs": [*CRUMBS, (title, "")],
        "title": title,
        "test": test,
        "view": view,
        "settings": view.settings,
        "setting_rows": _setting_rows(test),
        "warnings": told_warnings(test.facts) if test.is_over else [],
        "proposal": proposal_of(test, view.finding) if test.status == TestStatus.FAILED else None,
        "asks_for_sign_in": asks_for_sign_in(test),
        "colleague_link": colleague_link(test, view.finding) if view.finding else "",
        "gives_up_s": round(TEST_TIMEOUT_S),
        "kept_until": test.created_at + TESTS_KEPT if test.is_over and test.server is None else None,
        "now": timezone.localtime(test.finished_at or timezone.now()),
        "halves": (view.stages[:half], view.stages[half:]),
        "problems": {},
        "may_operate": person(request).role in (User.Role.ADMINISTRATOR, User.Role.OPERATOR),
        **(_passed_context(test) if test.status == TestStatus.PASSED else {}),
    }


def _passed_context(test: ServerTest) -> dict[str, Any]:
    waiting = count_waiting(test.server)
    return {
        "encryption": encryption(test.facts, test.typed_settings.host),
        "allowances": allowances(test.facts),
        "known_limits": known_limits(test.typed_settings),
        "needs_default": not SmtpServer.objects.filter(is_default=True, is_sandbox=False).exists(),
        "waiting": min(waiting, COUNTED),
        "more_waiting": waiting > COUNTED,
    }


def _setting_rows(test: ServerTest) -> list[tuple[str, str, str]]:
    """(label, value, kind) of what is tested; kind "mono" or ""."""
    settings = test.typed_settings
    rows = [
        ("name", settings.name, "b"), ("host", settings.host, "mono"), ("port", settings.port, "mono"),
        ("security", settings.security, ""), ("auth", settings.auth, ""),
    ]
    found = [(str(LABELS[name]), setting_words(name, value), kind) for name, value, kind in rows]
    if settings.auth is Auth.PASSWORD:
        found.append((str(LABELS["username"]), settings.username, ""))
        found.append((str(LABELS["password"]), _("Set, never shown"), "quiet"))
    if not settings.verify_certificate:
        found.append((_("Certificate"), _("Not checked"), "warn"))
    return [*found, (str(LABELS["test_recipient"]), settings.test_recipient or "–", "")]
