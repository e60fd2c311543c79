"""The fields of a report source: values as they were typed, and what they mean. Usable on a page of another form by a
prefix of the fields' names."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from postroom.flow.reports.source_settings import FORMATS, MOST_ROWS, SECRET_HEADER, TIMEOUT_S, told_settings
from postroom.flow.reports.sql_connections import connections
from postroom.store.models import ReportSource
from postroom.terms.problem import FieldError

Label = str | Promise
# Begins the fields' names on the page of a new subscription.
NEW_SOURCE_PREFIX = "source-"
KINDS: dict[str, tuple[Label, Label]] = {
    "file": (gettext_lazy("File"), gettext_lazy("The newest one in a folder of this machine")),
    "url": (gettext_lazy("Web address"), gettext_lazy("Fetched over HTTP or HTTPS")),
    "sql": (gettext_lazy("Query"), gettext_lazy("Rows of a database")),
    "pushed": (gettext_lazy("Pushed"), gettext_lazy("A program sends it here")),
}
LABELS: dict[str, Label] = {
    "name": gettext_lazy("Name"), "description": gettext_lazy("Description"),
    "kind": gettext_lazy("Where it comes from"),
    "root": gettext_lazy("Folder"), "pattern": gettext_lazy("File"), "fresh_within_s": gettext_lazy("Not older than"),
    "url": gettext_lazy("Address"), "headers": gettext_lazy("Header fields"),
    "secret_header": gettext_lazy("Secret header field"), "secret": gettext_lazy("Its value"),
    "expects": gettext_lazy("Type that has to come"), "file_name": gettext_lazy("File name"),
    "timeout_s": gettext_lazy("Time limit"), "connection": gettext_lazy("Database"), "query": gettext_lazy("Query"),
    "format": gettext_lazy("Send as"), "most_rows": gettext_lazy("Most rows"),
}
FORMS: dict[str, Label] = {
    "csv": gettext_lazy("CSV"), "xlsx": gettext_lazy("Excel (XLSX)"), "html": gettext_lazy("HTML page"),
}
_TEXTS = (
    "name", "description", "kind", "root", "pattern", "fresh_within_s", "url", "headers", "secret_header", "expects",
    "file_name", "timeout_s", "connection", "query", "format", "most_rows",
)
_OF_KIND = {
    "file": ("root", "pattern", "fresh_within_s"),
    "url": ("url", "headers", "timeout_s", "secret_header", "expects", "file_name"),
    "sql": ("query", "format", "timeout_s", "most_rows"),
    "pushed": (),
}
_HOUR_S = 3_600
_TYPED_CHARACTERS = 100_001


@dataclass
class SourceForm:
    """`typed` holds the text of each field by its API name; `problems` the text of what can't be taken."""

    typed: dict[str, str]
    prefix: str = ""
    has_secret: bool = False
    secret: str = field(default="", repr=False)
    forgets_secret: bool = False
    problems: dict[str, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, prefix: str = "") -> "SourceForm":
        roots = settings.REPORT_ROOTS.names
        typed = dict.fromkeys(_TEXTS, "") | {
            "kind": "file", "root": roots[0] if len(roots) == 1 else "", "secret_header": SECRET_HEADER,
            "timeout_s": str(TIMEOUT_S), "format": FORMATS[0], "most_rows": str(MOST_ROWS),
        }
        return cls(typed, prefix)

    @classmethod
    def of(cls, row: ReportSource) -> "SourceForm":
        """As it is stored."""
        stored = told_settings(row)
        fresh_s = int(stored.pop("fresh_within_s", 0) or 0)
        headers = stored.pop("headers", None) or {}
        typed = cls.empty().typed | {name: str(value) for name, value in stored.items()}
        typed |= {
            "name": row.name, "description": row.description, "kind": row.kind, "connection": row.connection_id or "",
            "fresh_within_s": f"{fresh_s / _HOUR_S:g}" if fresh_s else "",
            "headers": "\n".join(f"{name}: {value}" for name, value in headers.items()),
        }
        return cls(typed, has_secret=bool(row.sealed_secret))

    @classmethod
    def posted(cls, post: QueryDict, prefix: str = "") -> "SourceForm":
        """What was typed."""
        typed = {name: post.get(prefix + name, "")[:_TYPED_CHARACTERS] for name in _TEXTS}
        typed["query"] = typed["query"].replace("\r\n", "\n")
        return cls(
            typed, prefix, secret=post.get(f"{prefix}secret", "")[:5_000],
            forgets_secret=f"{prefix}forget_secret" in post,
        )

    def values(self) -> dict[str, Any]:
        """What the fields mean, by API name; a text that is no number stays one, and is refused there."""
        kind = self.typed["kind"]
        meant = {name: self._meant(name) for name in _OF_KIND.get(kind, ())}
        values: dict[str, Any] = {
            "name": self.typed["name"].strip(), "description": self.typed["description"].strip(), "kind": kind,
            "settings": meant,
        }
        if kind == ReportSource.Kind.SQL:
            values["connection"] = self.typed["connection"]
        if kind == ReportSource.Kind.URL:
            values["secret"] = self.secret or ("" if self.forgets_secret else None)
        return values

    def take(self, problems: Iterable[FieldError]) -> None:
        """Show problems beside their fields."""
        self.problems = {problem.field.removeprefix("settings."): problem.text for problem in problems}

    def summary(self) -> list[tuple[str, Label, str]]:
        """Each problem as (end of the field's id, label, text)."""
        return [(self.prefix + name, LABELS.get(name, name), text) for name, text in self.problems.items()]

    @property
    def opens(self) -> bool:
        """Whether something within the folded part is set or at fault."""
        usual = SourceForm.empty().typed
        folded = ("description", "headers", "expects", "file_name", "timeout_s", "most_rows")
        return any(self.typed[name] != usual[name] or name in self.problems for name in folded)

    def _meant(self, name: str) -> Any:
        text = self.typed[name].strip()
        match name:
            case "fresh_within_s":
                return _seconds(text)
            case "timeout_s" | "most_rows":
                return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
            case "headers":
                lines = [line.partition(":") for line in text.splitlines() if line.strip()]
                return {left.strip(): right.strip() for left, _colon, right in lines}
        return text


def source_choices() -> dict[str, Any]:
    """What the part of the fields needs beside the form."""
    return {
        "source_kinds": KINDS.items(), "source_roots": settings.REPORT_ROOTS.names,
        "source_connections": connections(), "source_forms": FORMS.items(),
    }


def _seconds(hours: str) -> int | str:
    """0 for nothing; the text itself where it is no number of hours."""
    if not hours:
        return 0
    try:
        seconds = round(float(hours.replace(",", ".")) * _HOUR_S)
    except (ValueError, OverflowError):
        return hours
    return seconds if 0 < seconds <= 10**9 else hours
