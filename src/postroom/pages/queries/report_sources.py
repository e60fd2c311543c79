"""Report sources and connections for their page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.flow.instance.reader import translated
from postroom.flow.reports.report_sources import newest_report
from postroom.flow.reports.source_rights import may_keep
from postroom.flow.reports.source_settings import told_settings
from postroom.pages.forms.report_source import KINDS
from postroom.store.models import ReportSource, SourceTry, SqlConnection, StoredReport, User
from postroom.terms.wording import Wording


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source in the list. `where` is the place in its settings that tells it from others."""

    source: ReportSource
    kind: str
    where: str
    newest: StoredReport | None
    subscriptions: int
    may_change: bool


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection in the list."""

    connection: SqlConnection
    where: str
    sources: int


def source_rows(user: User) -> list[SourceRow]:
    """All sources by name, with how many subscriptions use each."""
    rows = ReportSource.objects.select_related("connection").annotate(users=Count("subscriptions")).order_by("name")
    return [
        SourceRow(
            row, str(KINDS[row.kind][0]), _where(row), newest_report(row), row.users,
            may_keep(user, row.kind, has_secret=bool(row.sealed_secret)),
        )
        for row in rows
    ]


def source_address(row: ReportSource, user: User) -> str:
    """The page of the source, "" for somebody who may not see it."""
    if not may_keep(user, row.kind, has_secret=bool(row.sealed_secret)):
        return ""
    return reverse("pages:report-source", args=[row.pk])


def connection_rows() -> list[ConnectionRow]:
    """All connections by name."""
    rows = SqlConnection.objects.annotate(users=Count("sources")).order_by("name")
    return [ConnectionRow(row, _place(row), row.users) for row in rows]


def try_state(row: SourceTry | None) -> dict[str, Any]:
    """What the part `source_try.html` shows of a try, in the reader's language."""
    trying = row is not None and row.finished_at is None
    fault = None
    if row is not None and row.fault:
        fault = {"text": _told(row.fault), "evidence": row.fault.get("evidence", "")}
    return {"try": row, "trying": trying, "fault": fault}


def _told(fault: dict[str, Any]) -> str:
    """The fault's text in the reader's language; as it was stored where it can't be told anew."""
    try:
        return Wording.from_json(fault["wording"]).in_words_of(_)
    except (KeyError, TypeError, ValueError, IndexError):
        return translated(str(fault.get("text", "")))


def _where(row: ReportSource) -> str:
    match row.kind:
        case ReportSource.Kind.FILE:
            return f"{row.settings.get('root')}: {row.settings.get('pattern')}"
        case ReportSource.Kind.URL:
            return str(told_settings(row).get("url"))
        case ReportSource.Kind.SQL:
            return row.connection.name if row.connection else ""
    return ""


def _place(row: SqlConnection) -> str:
    if row.kind == SqlConnection.Kind.SQLITE:
        return f"SQLite, {row.settings.get('root')}: {row.settings.get('path')}"
    return f"PostgreSQL, {row.settings.get('username')}@{row.settings.get('host')}/{row.settings.get('database')}"


CONNECTION_KINDS: Sequence[tuple[str, str]] = (("sqlite", "SQLite"), ("postgresql", "PostgreSQL"))
