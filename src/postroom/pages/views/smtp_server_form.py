"""The form Configure SMTP server, for a new server and for a saved one."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from postroom.flow.servers import configure
from postroom.pages.access import administrator_only, person
from postroom.pages.forms.smtp_server import ServerForm, suggestion_words
from postroom.pages.queries.providers import Chosen, chosen, free_name, further, recognised, tiles
from postroom.policy.preset import preset
from postroom.store.models import ServerTest, SmtpServer
from postroom.terms.problem import FieldError
from postroom.terms.server import Auth, ServerSettings
from postroom.terms.wording import worded

from .providers import asked_provider
from .smtp_servers import CRUMBS

_PROVEN = (
    "from_address", "host", "port", "security", "auth", "username", "ehlo_name", "ca_pem", "verify_certificate",
    "allow_plain_auth", "bounce_address",
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
    form = _posted_form(request, subject)
    try:
        return _done(request, subject, form)
    except configure.SettingsRefused as refused:
        form.refuse(refused.problems)
        return _page(request, subject, form, 422)
    except configure.NotPossible as reason:
        messages.error(request, str(reason))
        return redirect("pages:smtp-servers")


def _posted_form(request: HttpRequest, subject: Subject) -> ServerForm:
    """What was typed, completed with what is plain from it; a name that only followed is one that is still free."""
    typed = ServerForm.posted(request.POST, subject.settings or ServerSettings())
    form = typed.completed(preset(request.POST.get("provider", "")[:60]))
    if typed.settings.name.strip() or not form.settings.name:
        return form
    return form.with_words(name=free_name(form.settings.name, subject.server))


def _first_form(request: HttpRequest, subject: Subject) -> ServerForm:
    settings = subject.settings or ServerSettings(auth=Auth.PASSWORD, test_recipient=person(request).email)
    slug, region = asked_provider(request)
    provider = preset(slug)
    if provider is not None:
        settings = provider.filled_in(settings, region)
        if subject.settings is None:
            settings = settings.changed(name=free_name(provider.name, None))
        if request.GET.get("limits"):
            settings = settings.changed(limits=provider.limits)
    form = ServerForm.of(settings)
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
        text = worded("This changes how Postroom connects. Run the live test, or save without testing.")
        raise configure.SettingsRefused(FieldError(touched[0], "needs-test", text))


def _kept_reason(subject: Subject) -> str:
    return subject.server.unverified_reason if subject.server else ""


def _kept_use(subject: Subject) -> bool:
    return subject.server.use_unverified if subject.server else False


def _saved_words(server: SmtpServer) -> str:
    if server.is_verified:
        return _("%(name)s is saved. It stays verified.") % {"name": server.name}
    if server.use_unverified:
        return _("%(name)s is saved and used without a test.") % {"name": server.name}
    return _("%(name)s is saved. It is not used until it passes a live test.") % {"name": server.name}


def _page(request: HttpRequest, subject: Subject, form: ServerForm, status: int) -> HttpResponse:
    title = subject.server.name if subject.server else _("Configure SMTP server")
    provider = _provider(request, form)
    stored = subject.based_on if subject.based_on is not None and subject.based_on.sealed_password else None
    at_fault = _field_at_fault(subject, provider)
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
        "chosen": provider,
        "told": status == 200 and bool(asked_provider(request)[0]),
        "tiles": tiles(),
        "further": further(),
        "step": "settings" if provider is not None else "provider",
        "typed_by_hand": _typed_by_hand(form, provider) if status == 422 else [],
        "suggestions": {name: suggestion_words(p) for name, p in form.problems.items() if p.suggestion},
        "can_save": subject.server is not None and subject.based_on == subject.server,
        "asks_reason": "reason" in form.problems,
        "now": timezone.localtime(),
        "applied": status == 200 and request.GET.get("apply"),
    }
    return render(request, "pages/smtp_server_form.html", context, status=status)


def _provider(request: HttpRequest, form: ServerForm) -> Chosen | None:
    """The provider that was chosen, else the one that the host tells."""
    slug, region = (request.POST.get("provider", "")[:60], "") if request.method == "POST" else asked_provider(request)
    return chosen(slug, region or form.settings.host.lower()) or recognised(form.settings)


def _typed_by_hand(form: ServerForm, provider: Chosen | None) -> list[str]:
    """The fields that no choice of a provider may change: those with something in them that none filled in."""
    filled = provider.fill if provider is not None else {}
    return [name for name in ("name", "host", "port", "username") if form.typed[name] not in ("", filled.get(name))]


def _field_at_fault(subject: Subject, provider: Chosen | None) -> str:
    """The setting that a failed test found at fault, "" where none is known; where to begin in a new form."""
    if isinstance(subject.based_on, ServerTest):
        return str((subject.based_on.finding or {}).get("field") or "")
    if subject.based_on is not None:
        return ""
    return "provider" if provider is None else "from_address" if provider.fill["host"] else "host"


def _stored_at(stored: SmtpServer | ServerTest | None) -> Any:
    if isinstance(stored, SmtpServer):
        return stored.password_stored_at
    return stored.created_at if stored is not None else None
