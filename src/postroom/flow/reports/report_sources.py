"""Report sources as an administrator keeps them: add, change, remove. Each is audited, without secrets (O2).

A secret is sealed to where it goes, and asked for again where that changes (T4).
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from postroom.store import audit
from postroom.store.models import ReportSource, StoredReport
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused
from .kept_secret import KeptSecret
from .source_check import checked_name, checked_settings
from .source_settings import UrlSettings, told_settings

DESCRIPTION_CHARACTERS = 300
SECRET_CHARACTERS = 4_000
_SECRET = KeptSecret(
    "secret", "sealed_secret", lambda text: len(text) <= SECRET_CHARACTERS and text.isprintable(),
    invalid=worded("Enter the header's value on one line."),
    unused=worded("Only a source with a URL has a secret header."),
    meant_elsewhere=worded(
        "Enter the secret again: the stored one belongs to the old address and never goes elsewhere."
    ),
)


def sources() -> list[ReportSource]:
    """All sources by name."""
    return list(ReportSource.objects.select_related("connection").order_by("name"))


def add_source(values: Mapping[str, Any], actor: str) -> ReportSource:
    """A new source. `values` by API name: name, description, kind, connection (an id), settings, secret. Raises
    SettingsRefused naming every field at fault, those of the settings as "settings.pattern"."""
    with transaction.atomic():
        row = ReportSource(sealed_secret="", secret_id="")  # what the database defaults to is true until it is saved
        _set(row, values)
        row.save()
        audit.record(actor, "source.add", row.name, {"source": source_json(row)})
    return row


def change_source(source_id: str, values: Mapping[str, Any], actor: str) -> ReportSource:
    """Change the fields that `values` has; its kind stays. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        row = present_source(source_id)
        before, old_secret = source_json(row), row.secret_id
        _set(row, {**values, "kind": row.kind})
        row.save()
        more = {"secret": True} if row.secret_id != old_secret else {}
        audit.record_change(actor, "source.change", row.name, before, source_json(row), more)
    return row


def remove_source(source_id: str, actor: str) -> None:
    """Remove it with its secret; reports that were fetched stay with their runs. Raises NotPossible while a
    subscription uses it."""
    with transaction.atomic():
        row = present_source(source_id)
        used = list(row.subscriptions.order_by("name").values_list("name", flat=True)[:5])
        if used:
            text = worded("These subscriptions use it: {names}. Give them another source first.", names=", ".join(used))
            raise NotPossible(text)
        audit.record(actor, "source.remove", row.name, {"source": source_json(row)})
        row.delete()


def newest_report(source: ReportSource) -> StoredReport | None:
    """The report that was fetched or pushed last."""
    return source.reports.order_by("-made_at", "-pk").first()


def source_json(row: ReportSource) -> dict[str, Any]:
    """A source by its API names; no secret is among them, only whether there is one."""
    return {
        "name": row.name, "description": row.description, "kind": row.kind, "connection": row.connection_id,
        "settings": told_settings(row), "has_secret": bool(row.sealed_secret),
    }


def present_source(source_id: str) -> ReportSource:
    """Raises NotPossible where it was removed."""
    row = ReportSource.objects.select_related("connection").filter(pk=source_id[:26]).first()
    if row is None:
        raise NotPossible(worded("This source was removed meanwhile."))
    return row


def _set(row: ReportSource, values: Mapping[str, Any]) -> None:
    problems: list[FieldError] = []
    if "name" in values or not row.name:
        row.name = checked_name(values.get("name"), ReportSource.objects.exclude(pk=row.pk), problems)
    if "description" in values:
        row.description = _description(values["description"], problems)
    row.kind = str(values.get("kind") or "")
    if row.kind not in ReportSource.Kind.values:
        text = worded("Choose where the report comes from: file, url, sql or pushed.")
        problems.append(FieldError("kind", "required", text))
    else:
        before = _destination(row)
        connection = values.get("connection", row.connection_id)
        settings = {**(row.settings or {}), **(values.get("settings") or {})}
        row.settings, row.connection = checked_settings(row.kind, settings, connection, problems)
        if not problems:
            _SECRET.set(row, values.get("secret"), (before, _destination(row)), problems)
    if problems:
        raise SettingsRefused(*problems)


def _destination(row: ReportSource) -> str:
    """Where the secret goes; "" where none can."""
    if row.kind != ReportSource.Kind.URL or not row.settings:
        return ""
    return UrlSettings.from_json(row.settings).destination


def _description(value: Any, problems: list[FieldError]) -> str:
    text = str(value or "").strip()
    if len(text) > DESCRIPTION_CHARACTERS or not (text.isprintable() or not text):
        wanted = worded("Enter at most {most} characters, without line breaks.", most=DESCRIPTION_CHARACTERS)
        problems.append(FieldError("description", "invalid", wanted))
    return text[:DESCRIPTION_CHARACTERS]
