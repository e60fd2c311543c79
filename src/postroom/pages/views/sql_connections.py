"""Connections to databases: adding, changing, trying and removing one. They are listed beside the report sources."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.reports.source_settings import TLS
from postroom.flow.reports.sql_connections import add_connection, change_connection, remove_connection
from postroom.flow.reports.try_source import ask_try, latest_try
from postroom.pages.access import administrator_only, person
from postroom.pages.forms.report_source import NEW_SOURCE_PREFIX
from postroom.pages.queries.report_sources import CONNECTION_KINDS, try_state
from postroom.store.models import SqlConnection
from postroom.terms.problem import FieldError

from .report_sources import CRUMBS, LIST

_LABELS = {
    "name": gettext_lazy("Name"), "kind": gettext_lazy("Database"), "root": gettext_lazy("Folder"),
    "path": gettext_lazy("File"), "host": gettext_lazy("Host Name"), "port": gettext_lazy("Port"),
    "database": gettext_lazy("Name of the database"), "username": gettext_lazy("Username"),
    "password": gettext_lazy("Password"), "tls": gettext_lazy("Encryption"),
}
_TLS_WORDS = {
    "verified": gettext_lazy("Encrypted, certificate checked"),
    "encrypted": gettext_lazy("Encrypted, certificate not checked"), "off": gettext_lazy("Not encrypted"),
}
_OF_KIND = {"sqlite": ("root", "path"), "postgresql": ("host", "port", "database", "username", "tls")}
_USUAL = {"kind": "sqlite", "port": "5432", "tls": TLS[0]}


@administrator_only
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def new_sql_connection(request: HttpRequest) -> HttpResponse:
    return _form(request, None)


@administrator_only
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sql_connection(request: HttpRequest, connection_id: str) -> HttpResponse:
    return _form(request, _connection(connection_id))


@administrator_only
@never_cache
@require_safe
def choices(request: HttpRequest) -> HttpResponse:
    """The connections to choose from, for a form that is open since before there was one; `of` begins its fields'
    names."""
    prefix = request.GET.get("of", "")
    rows = SqlConnection.objects.order_by("name")
    if not rows or prefix not in ("", NEW_SOURCE_PREFIX):
        return HttpResponse(status=204)
    context = {"p": prefix, "t": {"connection": rows[0].pk}, "source_connections": rows}
    return render(request, "pages/parts/source_connection.html", context)


@administrator_only
@require_POST
def try_it(request: HttpRequest, connection_id: str) -> HttpResponse:
    row = _connection(connection_id)
    try:
        ask_try(person(request).email, connection=row)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    return redirect("pages:sql-connection", row.pk)


@administrator_only
@never_cache
@require_safe
def state(request: HttpRequest, connection_id: str) -> HttpResponse:
    """How the last try went; polled while one is under way."""
    return render(request, "pages/parts/source_try.html", _try(_connection(connection_id)))


@administrator_only
@require_POST
def remove(request: HttpRequest, connection_id: str) -> HttpResponse:
    row = _connection(connection_id)
    try:
        remove_connection(row.pk, person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:sql-connection", row.pk)
    messages.success(request, _("“%(name)s” is removed, and its password with it.") % {"name": row.name})
    return redirect("pages:report-sources")


def _form(request: HttpRequest, row: SqlConnection | None) -> HttpResponse:
    if request.method != "POST":
        return _page(request, row, _stored(row), ())
    typed = {name: request.POST.get(name, "").strip()[:600] for name in _LABELS if name != "password"}
    password = request.POST.get("password", "")[:1_001]
    if row is not None:
        typed["kind"] = row.kind
    names = _OF_KIND.get(typed["kind"], ())
    settled = {name: _number(typed[name]) if name == "port" else typed[name] for name in names}
    values = {"name": typed["name"], "kind": typed["kind"], "settings": settled, "password": password or None}
    actor = person(request).email
    try:
        saved = add_connection(values, actor) if row is None else change_connection(row.pk, values, actor)
        ask_try(actor, connection=saved)
    except SettingsRefused as refused:
        return _page(request, row, typed, refused.problems, password_again=bool(password))
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:report-sources")
    messages.success(request, _("Saved. The engine signs in to the database now."))
    return redirect("pages:sql-connection", saved.pk)


def _page(
    request: HttpRequest, row: SqlConnection | None, typed: dict[str, str], refused: Sequence[FieldError], *,
    password_again: bool = False,
) -> HttpResponse:
    problems = {_plain(problem): problem.text for problem in refused}
    title = row.name if row else _("Add connection")
    context: dict[str, Any] = {
        "crumbs": [*CRUMBS, (LIST, reverse("pages:report-sources")), (title, "")], "title": title, "row": row,
        "typed": typed, "problems": problems, "password_again": password_again,
        "summary": [(name, _LABELS.get(name, name), text) for name, text in problems.items()],
        "kinds": CONNECTION_KINDS, "tls_words": _TLS_WORDS.items(), "source_roots": settings.REPORT_ROOTS.names,
    }
    if row is not None:
        context |= _try(row) | {
            "try_url": reverse("pages:sql-connection-try", args=[row.pk]),
            "used_by": [
                {"name": each.name, "address": reverse("pages:report-source", args=[each.pk])}
                for each in row.sources.order_by("name")
            ],
        }
    return render(request, "pages/sql_connection.html", context, status=422 if problems else 200)


def _stored(row: SqlConnection | None) -> dict[str, str]:
    if row is None:
        roots = settings.REPORT_ROOTS.names
        return {**_USUAL, "root": roots[0] if len(roots) == 1 else ""}
    return {**_USUAL, "name": row.name, "kind": row.kind, **{name: str(value) for name, value in row.settings.items()}}


def _plain(problem: FieldError) -> str:
    return problem.field.removeprefix("settings.")


def _number(text: str) -> int:
    """-1, which no port is, for what is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1


def _try(row: SqlConnection) -> dict[str, Any]:
    address = reverse("pages:sql-connection-state", args=[row.pk])
    return {**try_state(latest_try(connection=row)), "state_address": address}


def _connection(connection_id: str) -> SqlConnection:
    return get_object_or_404(SqlConnection, pk=connection_id)
