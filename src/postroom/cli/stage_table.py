"""How a test went as a person reads it in a terminal: its stages with times, then what it came to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .finding_text import told_finding, tried_text, warnings_text

_SIGNS = {"passed": "ok", "failed": "FAILED", "not-reached": "-", "not-needed": "not needed"}


def told_test(
    stages: Sequence[Mapping[str, Any]],
    finding: Mapping[str, Any] | None,
    *,
    seconds: float,
    tried: Sequence[Mapping[str, Any]],
    warnings: Sequence[Mapping[str, str]],
    language: str = "en",
) -> str:
    """A line for each stage; then how it passed, or the finding (`Finding.as_json`), what else was tried, and what is
    unwise of it."""
    lines = [*_stage_lines(stages), ""]
    lines.append(_passed(stages, seconds) if finding is None else told_finding(finding, language))
    lines += [text for text in (tried_text(tried, language), warnings_text(warnings, language)) if text]
    return "\n".join(lines)


def _stage_lines(stages: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for stage in stages:
        took = f"{stage['ms']:>7} ms" if stage["ms"] is not None else " " * 10
        sign = _SIGNS.get(stage["status"], stage["status"])
        yield f"{stage['name']:<13} {sign:<10} {took}  {stage['detail']}".rstrip()


def _passed(stages: Iterable[Mapping[str, Any]], seconds: float) -> str:
    sent = any(stage["name"] == "message" and stage["status"] == "passed" for stage in stages)
    what = "The server accepted the test mail. Accepted is not yet delivered: look into the mailbox."
    return f"Passed in {seconds:.1f} s. {what if sent else 'The connection works; no mail was sent.'}"
