"""What a run did, line by line: stored in English with the values that filled it, told in its reader's language."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postroom.smtp.text import printable
from postroom.store.models import Run
from postroom.terms.log_line import Level, with_line
from postroom.terms.wording import Wording, worded

from ..instance.reader import translated

EVIDENCE_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a run's log in the active language."""

    at: datetime
    level: str
    text: str


def evidence_of(said: str) -> str:
    """What somebody else said, as it may be stored and shown."""
    return printable(said, EVIDENCE_CHARACTERS)


def told_log(run: Run) -> list[LogLine]:
    """All lines, the oldest first, in the active language."""
    return [LogLine(datetime.fromisoformat(line["at"]), str(line["level"]), told_line(line)) for line in run.log]


def told_line(stored: Mapping[str, Any]) -> str:
    """The text of a stored line or problem in the active language; English where an older version stored it."""
    try:
        return translated(Wording.from_json(stored["values"]))
    except (KeyError, TypeError, ValueError, IndexError):
        return str(stored.get("text", ""))


def log_text(run: Run) -> str:
    """The log as a plain text file: time (UTC), level and words of each line."""
    lines = (f"{line.at:%Y-%m-%d %H:%M:%S}Z  {line.level:<11}  {line.text}\r\n" for line in told_log(run))
    return "".join(lines)


def problem_of(slug: str, text: Wording, evidence: str = "") -> dict[str, Any]:
    """Why a run did not succeed, as it is stored with it."""
    return {"slug": slug, "text": str(text), "values": text.as_json(), "evidence": evidence_of(evidence)}


__all__ = [
    "Level", "LogLine", "evidence_of", "log_text", "problem_of", "told_line", "told_log", "with_line", "worded",
]
