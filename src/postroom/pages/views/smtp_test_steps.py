"""What may follow from the page of a test: stop it, test again, apply what it proposes, say what arrived, save."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from postroom.flow.instance.reader import translated
from postroom.flow.probes.arrival import note_arrival
from postroom.flow.servers import configure
from postroom.flow.servers.waiting_mail import try_waiting_now
from postroom.pages import words
from postroom.pages.access import administrator_only, operator_only, person
from postroom.pages.queries.known_limits import known_limits, limits_with
from postroom.pages.queries.test_proposal import asks_for_sign_in, proposed_settings
from postroom.store.models import ServerTest, SmtpServer
from postroom.terms.server import ServerSettings

from .smtp_servers import CRUMBS
from .smtp_tests import named_test, page_of

# A refusal of these is shown where they were entered, any other in the form.
_ENTERED_HERE = ("username", "password")


@administrator_only
@require_POST
def stop(request: HttpRequest, test_id: str) -> HttpResponse:
    test = named_test(test_id)
    configure.stop_test(test, person(request).email)
    return redirect("pages:smtp-test", test.pk)


@administrator_only
@sensitive_post_parameters("password")
@require_POST
def again(request: HttpRequest, test_id: str) -> HttpResponse:
    """The same settings once more, with or without sending, and with another sign-in where one is entered."""
    test = named_test(test_id)
    settings = test.typed_settings
    if username := request.POST.get("username", "").strip():
        settings = settings.changed(username=username)
    send = (test.send and request.POST.get("send") != "no") or request.POST.get("send") == "yes"
    here = asks_for_sign_in(test) and proposed_settings(test) is None
    return _tested(request, test, settings, send=send, here=here)


@administrator_only
@sensitive_post_parameters("password")
@require_POST
def apply(request: HttpRequest, test_id: str) -> HttpResponse:
    """The settings with the proposed change, tested at once."""
    test = named_test(test_id)
    settings = proposed_settings(test)
    if settings is None:
        messages.error(request, _("This test proposes no change."))
        return redirect("pages:smtp-test", test.pk)
    if username := request.POST.get("username", "").strip():
        settings = settings.changed(username=username)
    return _tested(request, test, settings, send=test.send, here=True, form="&apply=1")


def _tested(
    request: HttpRequest, test: ServerTest, settings: ServerSettings, *, send: bool, here: bool, form: str = ""
) -> HttpResponse:
    """To the page of the new test. A sign-in that is missing or refused is asked for `here` where the page does that,
    what only the form can put right there, with `form` added to its query."""
    try:
        new = configure.start_test(
            settings, password=request.POST.get("password") or None, based_on=test, server=test.server, send=send,
            actor=person(request).email,
        )
    except configure.SettingsRefused as refused:
        problems = {problem.field: translated(problem.text) for problem in refused.problems}
        if here and set(problems) <= set(_ENTERED_HERE):
            return page_of(request, test, problems)
        messages.error(request, next(iter(problems.values())))
        return redirect(f"{reverse('pages:new-smtp-server')}?test={test.pk}{form}")
    return redirect("pages:smtp-test", new.pk)


@operator_only
@require_POST
def arrived(request: HttpRequest, test_id: str) -> HttpResponse:
    """Keep what somebody says of the test mail."""
    test = named_test(test_id)
    try:
        note_arrival(test, request.POST.get("arrived") == "yes", person(request).email)
    except configure.NotPossible as reason:
        messages.error(request, translated(reason.args[0]))
    return redirect(f"{reverse('pages:smtp-test', args=[test.pk])}#arrival")


@administrator_only
@require_POST
def save(request: HttpRequest, test_id: str) -> HttpResponse:
    test, actor = named_test(test_id), person(request).email
    try:
        server = configure.save_tested(test, make_default=request.POST.get("make_default") == "on", actor=actor)
    except configure.NotPossible as reason:
        messages.error(request, translated(reason.args[0]))
        return redirect("pages:smtp-test", test.pk)
    except configure.SettingsRefused as refused:
        messages.error(request, translated(refused.problems[0].text))
        return redirect(f"{reverse('pages:new-smtp-server')}?test={test.pk}")
    if request.POST.get("use_limits") == "on" and (known := known_limits(server.typed_settings)) is not None:
        limits = limits_with(server.typed_settings, known)
        server = configure.change_server(server, {"limits": limits}, actor=actor)
    if request.POST.get("retry_waiting") == "on":
        _retry(request, test.server, actor)
    is_default = SmtpServer.objects.filter(pk=server.pk, is_default=True).exists()
    text = _("%(name)s is saved and verified.")
    if is_default:
        text = _("%(name)s is saved and verified. It is the default.")
    messages.success(request, text % {"name": server.name})
    return redirect("pages:smtp-servers")


def _retry(request: HttpRequest, server: SmtpServer | None, actor: str) -> None:
    count = try_waiting_now(server, actor)
    text = ngettext("%(count)s deferred delivery is tried now.", "%(count)s deferred deliveries are tried now.", count)
    messages.success(request, text % {"count": words.number(count)})


@administrator_only
@require_http_methods(["GET", "POST"])
def save_untested(request: HttpRequest, test_id: str) -> HttpResponse:
    """Asks for the reason; the settings and the sealed password are those of the test."""
    test = named_test(test_id)
    problem = ""
    if request.method == "POST":
        try:
            server = _saved_untested(request, test)
        except configure.SettingsRefused as refused:
            problem = translated(refused.problems[0].text)
        except configure.NotPossible as reason:
            problem = translated(reason.args[0])
        else:
            text = _("%(name)s is saved. It has not passed a live test.")
            messages.success(request, text % {"name": server.name})
            return redirect("pages:smtp-servers")
    context: dict[str, Any] = {"test": test, "settings": test.typed_settings, "problem": problem,
                               "crumbs": [*CRUMBS, (_("Save without testing"), "")]}
    return render(request, "pages/smtp_test_save.html", context, status=422 if problem else 200)


def _saved_untested(request: HttpRequest, test: ServerTest) -> SmtpServer:
    return configure.save_untested(
        test.typed_settings, password=None, based_on=test, server=test.server, reason=request.POST.get("reason", ""),
        use_unverified=request.POST.get("use_unverified") == "on", actor=person(request).email,
    )
