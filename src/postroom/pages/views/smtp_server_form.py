"""The form Configure SMTP server, for a new server and for a saved one."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from postroom.flow import configure
from postroom.pages.access import administrator_only, person
from postroom.pages.forms.smtp_server import ServerForm, suggestion_words
from postroom.store.models import ServerTest, SmtpServer
from postroom.terms.problem import FieldError
from postroom.terms.server import Auth, ServerSettings

from .smtp_servers import CRUMBS

_PROVEN = (
    "from_address", "host", "port", "security", "auth", "username", "ehlo_name", "ca_pem", "verify_certificate",
    "allow_plain_auth",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the form is about: the saved server if there is one, and the row whose password it may reuse."""

    server: SmtpServer | None
    based_on: SmtpServer | ServerTest | None

    @property
    def settings(self) -> ServerSettings | None:
        return self.based_on.typed_settings if self.based_on is not None else None


@administrator_only
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def new_smtp_server(request: HttpRequest) -> HttpResponse:
    test = _named_test(request)
    return _answer(request, Subject(test.server if test else None, test))


@administrator_only
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def smtp_server(request: HttpRequest, server_id: str) -> HttpResponse:
    server = get_object_or_404(SmtpServer, pk=server_id)
    return _answer(request, Subject(server, _named_test(request) or server))


def _named_test(request: HttpRequest) -> ServerTest | None:
    named = request.GET.get("test") or request.POST.get("test")
    return get_object_or_404(ServerTest.objects.select_related("server"), pk=named) if named else None


def _answer(request: HttpRequest, subject: Subject) -> HttpResponse:
    if request.method == "GET":
        return _page(request, subject, _first_form(request, subject), 200)
    form = ServerForm.posted(request.POST, subject.settings or ServerSettings())
    try:
        return _done(request, subject, form)
    except configure.SettingsRefused as refused:
        form.refuse(refused.problems)
        return _page(request, subject, form, 422)
    except configure.NotPossible as reason:
        messages.error(request, str(reason))
        return redirect("pages:smtp-servers")


def _first_form(request: HttpRequest, subject: Subject) -> ServerForm:
    if subject.settings is None:
        return ServerForm.of(ServerSettings(auth=Auth.PASSWORD, test_recipient=person(request).email))
    form = ServerForm.of(subject.settings)
    if request.GET.get("apply") and isinstance(subject.based_on, ServerTest) and subject.based_on.finding:
        form = form.with_values(subject.based_on.finding.get("proposal") or {})
    return form


def _done(request: HttpRequest, subject: Subject, form: ServerForm) -> HttpResponse:
    """Do what the pressed button says. Raises SettingsRefused."""
    action, actor = request.POST.get("action", "test"), person(request).email
    if action == "save":
        _refuse_unproven(subject, form)
    if action in ("save", "save-untested"):
        asked = action == "save-untested"
        server = configure.save_untested(
            form.settings,
            password=form.password or None,
            based_on=subject.based_on,
            server=subject.server,
            reason=request.POST.get("reason", "") if asked else _kept_reason(subject),
            use_unverified=request.POST.get("use_unverified") == "on" if asked else _kept_use(subject),
            actor=actor,
        )
        messages.success(request, _saved_words(server))
        return redirect("pages:smtp-servers")
    test = configure.start_test(
        form.settings,
        password=form.password or None,
        based_on=subject.based_on,
        server=subject.server,
        send=action != "check",
        actor=actor,
    )
    return redirect("pages:smtp-test", test.pk)


def _refuse_unproven(subject: Subject, form: ServerForm) -> None:
    """Save without a test is for words only: whatever a test proves or a password guards needs one."""
    before = subject.server.typed_settings if subject.server else ServerSettings()
    after = form.settings
    touched = [name for name in _PROVEN if getattr(before, name) != getattr(after, name)]
    touched += ["password"] if form.password or subject.server is None else []
    if touched:
        text = "This changes how Postroom connects. Run the live test, or save without testing."
        raise configure.SettingsRefused(FieldError(touched[0], "needs-test", text))


def _kept_reason(subject: Subject) -> str:
    return subject.server.unverified_reason if subject.server else ""


def _kept_use(subject: Subject) -> bool:
    return subject.server.use_unverified if subject.server else False


def _saved_words(server: SmtpServer) -> str:
    if server.is_verified:
        return f"{server.name} is saved. It stays verified."
    if server.use_unverified:
        return f"{server.name} is saved and used without a test."
    return f"{server.name} is saved. It is not used until it passes a live test."


def _page(request: HttpRequest, subject: Subject, form: ServerForm, status: int) -> HttpResponse:
    title = subject.server.name if subject.server else "Configure SMTP server"
    stored = subject.based_on if subject.based_on is not None and subject.based_on.sealed_password else None
    at_fault = _field_at_fault(subject)
    moves = subject.settings is not None and form.settings.destination != subject.settings.destination
    context: dict[str, Any] = {
        "crumbs": [*CRUMBS, (title, "")],
        "title": title,
        "form": form,
        "server": subject.server,
        "test": subject.based_on if isinstance(subject.based_on, ServerTest) else None,
        "stored": stored,
        "stored_at": _stored_at(stored),
        "replaces": stored is None or moves or "password" in form.problems or at_fault == "password",
        "may_keep": stored is not None and not moves,
        "focused": "" if form.problems else "password" if stored is not None and moves else at_fault,
        "suggestions": {name: suggestion_words(p) for name, p in form.problems.items() if p.suggestion},
        "can_save": subject.server is not None and subject.based_on == subject.server,
        "asks_reason": "reason" in form.problems,
        "now": timezone.localtime(),
        "applied": status == 200 and request.GET.get("apply"),
    }
    return render(request, "pages/smtp_server_form.html", context, status=status)


def _field_at_fault(subject: Subject) -> str:
    """The setting that a failed test found at fault, "name" where nothing was entered yet, "" where none is known."""
    if isinstance(subject.based_on, ServerTest):
        return str((subject.based_on.finding or {}).get("field") or "")
    return "" if subject.based_on is not None else "name"


def _stored_at(stored: SmtpServer | ServerTest | None) -> Any:
    if isinstance(stored, SmtpServer):
        return stored.password_stored_at
    return stored.created_at if stored is not None else None
