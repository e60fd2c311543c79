"""A test's log as text: what was tested, its stages, the finding, what else was tried, and all that was said."""

from datetime import UTC
from typing import Any

from django.utils.translation import gettext as _

from postroom.store.models import ServerTest

from ..instance.reader import told, told_tries, told_warnings


def log_text(test: ServerTest) -> str:
    """The log of a test that ended or runs, in the active language. No secret is in any of it."""
    settings, began_at = test.typed_settings, test.started_at or test.created_at
    lines = [
        f"Postroom test {test.pk} of {settings.name or settings.host}: {test.status}",
        f"{settings.host} port {settings.port}, {settings.security}, started"
        f" {began_at.astimezone(UTC).isoformat(timespec='seconds')}",
        "", *(_stage(stage) for stage in test.stages), *_finding(test), *_tried(test),
        *_warnings(test),
    ]
    return "\n".join([*lines, "", *(str(line) for line in test.transcript), ""])


def _stage(stage: dict[str, Any]) -> str:
    ms = f"{float(stage['ms']):8.0f} ms" if stage.get("ms") is not None else " " * 11
    return f"{stage['name']!s:<13}{stage['status']!s:<12}{ms}  {stage.get('detail') or ''}".rstrip()


def _finding(test: ServerTest) -> list[str]:
    finding = told(test.finding)
    if not finding:
        return []
    steps = [f"- {step}" for step in finding.get("fix") or ()]
    return ["", f"{finding.get('title')} ({finding.get('cause')})", str(finding.get("explanation")), *steps]


def _tried(test: ServerTest) -> list[str]:
    lines = [f"{'+' if line['ok'] else '-'} {line['place']}: {line['text']}" for line in told_tries(test.facts)]
    return ["", f"{_('Also tried, without credentials')}:", *lines] if lines else []


def _warnings(test: ServerTest) -> list[str]:
    texts = [warning["text"] for warning in told_warnings(test.facts)]
    return ["", *(f"{_('Warning')}: {text}" for text in texts)] if texts else []
