"""Connections to databases as an administrator keeps them. Each change is audited; the password is sealed to host,
port, user and encryption, and asked for again where one of them changes (T4)."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from django.db import transaction

from postroom.store import audit
from postroom.store.models import SqlConnection
from postroom.terms.host_name import host_reading
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused
from .kept_secret import KeptSecret
from .source_check import RefusedValue, checked_name, checked_root
from .source_settings import TLS, PostgresqlSettings, SqliteSettings

_PASSWORD_CHARACTERS = 1_000
_PASSWORD = KeptSecret(
    "password", "sealed_password", lambda text: len(text) <= _PASSWORD_CHARACTERS and "\0" not in text,
    invalid=worded("This can't be a password."),
    unused=worded("An SQLite database has no password."),
    meant_elsewhere=worded(
        "Enter the password again: the stored one belongs to the old settings and never goes elsewhere."
    ),
)
_HARMLESS = ("", "brackets", "trailing-dot")


def connections() -> list[SqlConnection]:
    """All connections by name."""
    return list(SqlConnection.objects.order_by("name"))


def add_connection(values: Mapping[str, Any], actor: str) -> SqlConnection:
    """A new connection. `values` by API name: name, kind, settings, password. Raises SettingsRefused."""
    with transaction.atomic():
        row = SqlConnection(sealed_password="", secret_id="")  # what the database defaults to is true until it is saved
        _set(row, values)
        row.save()
        audit.record(actor, "connection.add", row.name, {"connection": connection_json(row)})
    return row


def change_connection(connection_id: str, values: Mapping[str, Any], actor: str) -> SqlConnection:
    """Change the fields that `values` has; its kind stays. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        row = present_connection(connection_id)
        before, old_secret = connection_json(row), row.secret_id
        _set(row, {**values, "kind": row.kind})
        row.save()
        more = {"password": True} if row.secret_id != old_secret else {}
        audit.record_change(actor, "connection.change", row.name, before, connection_json(row), more)
    return row


def remove_connection(connection_id: str, actor: str) -> None:
    """Remove it with its password. Raises NotPossible while a source uses it."""
    with transaction.atomic():
        row = present_connection(connection_id)
        used = list(row.sources.order_by("name").values_list("name", flat=True)[:5])
        if used:
            text = worded("These sources use it: {names}. Give them another connection first.", names=", ".join(used))
            raise NotPossible(text)
        audit.record(actor, "connection.remove", row.name, {"connection": connection_json(row)})
        row.delete()


def connection_json(row: SqlConnection) -> dict[str, Any]:
    """A connection by its API names; of its password only whether there is one."""
    return {"name": row.name, "kind": row.kind, "settings": row.settings, "has_password": bool(row.sealed_password)}


def present_connection(connection_id: str) -> SqlConnection:
    """Raises NotPossible where it was removed."""
    row = SqlConnection.objects.filter(pk=connection_id[:26]).first()
    if row is None:
        raise NotPossible(worded("This connection was removed meanwhile."))
    return row


def _set(row: SqlConnection, values: Mapping[str, Any]) -> None:
    problems: list[FieldError] = []
    if "name" in values or not row.name:
        row.name = checked_name(values.get("name"), SqlConnection.objects.exclude(pk=row.pk), problems)
    row.kind = str(values.get("kind") or "")
    before = _destination(row)
    given = {**(row.settings or {}), **(values.get("settings") or {})}
    if row.kind == SqlConnection.Kind.SQLITE:
        row.settings = _sqlite(given, problems)
    elif row.kind == SqlConnection.Kind.POSTGRESQL:
        row.settings = _postgresql(given, problems)
    else:
        problems.append(FieldError("kind", "required", worded("Choose sqlite or postgresql.")))
    unknown = sorted(set(given) - set(row.settings or {})) if not problems else []
    problems += [FieldError(f"settings.{name}", "unknown", worded("There is no such field here.")) for name in unknown]
    if not problems:
        _PASSWORD.set(row, values.get("password"), (before, _destination(row)), problems)
    if problems:
        raise SettingsRefused(*problems)


def _destination(row: SqlConnection) -> str:
    """Where the password goes; "" where none can."""
    if row.kind != SqlConnection.Kind.POSTGRESQL or not row.settings:
        return ""
    return PostgresqlSettings.from_json(row.settings).destination


def _sqlite(given: Mapping[str, Any], problems: list[FieldError]) -> dict[str, Any]:
    root, path = "", str(given.get("path") or "").strip()
    try:
        root = checked_root(given.get("root"))
    except RefusedValue as refused:
        problems.append(FieldError("settings.root", refused.code, refused.text))
    if not path or PurePosixPath(path).is_absolute() or ".." in path.split("/") or not path.isprintable():
        text = worded("Enter the file below the folder, such as shop/sales.db.")
        problems.append(FieldError("settings.path", "invalid", text))
    return asdict(SqliteSettings(root, path[:500]))


def _postgresql(given: Mapping[str, Any], problems: list[FieldError]) -> dict[str, Any]:
    reading = host_reading(str(given.get("host") or "").strip())
    if reading.flaw not in _HARMLESS or not reading.host:
        text = worded("Enter the database server's name, such as db.company.example.")
        problems.append(FieldError("settings.host", "invalid", text))
    port = given.get("port") or 5432
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65_535:
        text = worded("Enter a number from {least} to {most}.", least=1, most=65_535)
        problems.append(FieldError("settings.port", "range", text))
        port = 5432
    texts = {}
    needed = {"database": worded("Enter the database's name."), "username": worded("Enter the user name.")}
    for name, text in needed.items():
        texts[name] = str(given.get(name) or "").strip()
        if not texts[name] or len(texts[name]) > 100 or not texts[name].isprintable():
            problems.append(FieldError(f"settings.{name}", "required", text))
    tls = str(given.get("tls") or TLS[0])
    if tls not in TLS:
        problems.append(FieldError("settings.tls", "invalid", worded("Choose verified, encrypted or off.")))
    return asdict(PostgresqlSettings(reading.host, texts["database"], texts["username"], port, tls))
