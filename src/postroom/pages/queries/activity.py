"""The SMTP activity log of a day, filtered and counted. The log is files; their reader is store/activity_log.py."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.utils.dateparse import parse_datetime

from postroom.store.activity_log import ActivityLog

from .server_tests import STAGE_LABELS

SHOWN_ENTRIES = 300
COUNTED_ENTRIES = 50_000
_STAGE_WORDS = {str(stage): label for stage, label in STAGE_LABELS.items()}


@dataclass(frozen=True, slots=True)
class Filter:
    outcome: str = ""
    cause: str = ""
    server: str = ""
    text: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        return cls(**{name: str(query.get(name, "")).strip()[:200] for name in ("outcome", "cause", "server", "text")})

    def accepts(self, entry: Mapping[str, Any], without: str = "") -> bool:
        """Whether the entry fits; `without` leaves one criterion out, to count what it would bring."""
        for name in ("outcome", "cause", "server"):
            value = getattr(self, name)
            if value and name != without and str(entry.get(name) or "") != value:
                return False
        return not self.text or self.text.lower() in " ".join(str(value) for value in entry.values()).lower()


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    label: str
    values: Sequence[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class Entry:
    """`at` is None for a line without a readable time."""

    at: datetime | None
    severity: str
    server: str
    sentence: str
    evidence: str
    title: str
    took: str
    message: str
    test: str


@dataclass(frozen=True, slots=True)
class DayLog:
    entries: Sequence[Entry]
    total: int
    matching: int
    facets: Sequence[Facet]


def log_folder() -> Path:
    return Path(settings.DATA_DIR) / "logs"


def days() -> list[date]:
    """Days that have a log, newest first."""
    return sorted(ActivityLog(log_folder()).days(), reverse=True)


def file_of(on: date) -> Path:
    return log_folder() / on.isoformat() / "smtp-activity.jsonl"


def read(on: date, wanted: Filter) -> DayLog:
    """The day's newest entries that fit, with counts for each facet."""
    entries = ActivityLog(log_folder()).read_day(on, limit=COUNTED_ENTRIES)
    newest_first = sorted(entries, key=lambda entry: str(entry.get("at", "")), reverse=True)
    fitting = [entry for entry in newest_first if wanted.accepts(entry)]
    facets = [
        _facet("outcome", "Outcome", newest_first, wanted),
        _facet("cause", "Cause", newest_first, wanted),
        _facet("server", "Server", newest_first, wanted),
    ]
    shown = [_entry(entry) for entry in fitting[:SHOWN_ENTRIES]]
    return DayLog(shown, len(newest_first), len(fitting), [facet for facet in facets if facet.values])


def _facet(name: str, label: str, entries: Sequence[Mapping[str, Any]], wanted: Filter) -> Facet:
    counts: Counter[str] = Counter()
    labels: dict[str, str] = {}
    for entry in entries:
        value = str(entry.get(name) or "")
        if value and wanted.accepts(entry, without=name):
            counts[value] += 1
            labels.setdefault(value, _label(name, value, entry))
    return Facet(name, label, [(value, labels[value], number) for value, number in counts.most_common(12)])


def _label(name: str, value: str, entry: Mapping[str, Any]) -> str:
    if name == "cause":
        return str(entry.get("title") or value).rstrip(".")
    return value[:1].upper() + value[1:] if name == "outcome" else value


def _entry(entry: Mapping[str, Any]) -> Entry:
    seconds = entry.get("seconds")
    kind = str(entry.get("kind") or "")
    return Entry(
        at=parse_datetime(str(entry.get("at") or "")),
        severity=str(entry.get("severity") or "information"),
        server=str(entry.get("server") or ""),
        sentence=_sentence(entry, kind),
        evidence=_evidence(entry),
        title=str(entry.get("title") or ""),
        took=f"{float(seconds):.1f} s" if isinstance(seconds, int | float) else "",
        message=str(entry.get("message") or "") if kind == "delivery" else "",
        test=str(entry.get("test") or "") if kind == "test" else "",
    )


def _sentence(entry: Mapping[str, Any], kind: str) -> str:
    outcome = str(entry.get("outcome") or "")
    subject, recipient = str(entry.get("subject") or ""), str(entry.get("recipient") or "")
    if kind == "delivery":
        what = f"“{subject}” to {recipient}" if subject else f"message to {recipient}"
        verb = {"sent": "Sent", "deferred": "Deferred", "failed": "Failed", "uncertain": "Uncertain"}
        return f"{verb.get(outcome, outcome)} {what}"
    if kind == "test":
        stage = str(entry.get("stage") or "")
        where = f" at {_STAGE_WORDS.get(stage, stage)}" if stage and outcome == "failed" else ""
        return f"Test {outcome}{where}"
    return {"connected": "Connection opened", "error": "Session ended with an error"}.get(outcome, outcome)


def _evidence(entry: Mapping[str, Any]) -> str:
    return str(entry.get("reply") or "")
