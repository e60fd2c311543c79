"""A finding as a person reads it in a terminal."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from postroom.diagnosis.also_tried import THIS_MACHINE
from postroom.terms.finding import UNKNOWN, Confidence, Finding

WIDTH = 100
_WORDS = {
    "en": {
        "certain": "Cause", "likely": "Most likely cause", "fix": "Fix", "seen": "Evidence", "or": "Or",
        "change": "Proposed change", "warning": "Warning", "tried": "Also tried, without credentials",
        THIS_MACHINE: "this machine",
    },
    "fr": {
        "certain": "Cause", "likely": "Cause la plus probable", "fix": "Remède", "seen": "Éléments", "or": "Ou bien",
        "change": "Changement proposé", "warning": "Avertissement", "tried": "Aussi essayé, sans identifiants",
        THIS_MACHINE: "cette machine",
    },
}


def finding_text(finding: Finding, language: str = "en") -> str:
    """Title, explanation, steps, proposal, evidence, the other candidate; every line already escaped by the finding."""
    return told_finding(finding.as_json(), language)


def told_finding(finding: Mapping[str, Any], language: str = "en") -> str:
    """The same of a finding that was stored, with its texts in the language (`Finding.as_json`)."""
    words = _WORDS[language]
    certain = finding["confidence"] == Confidence.CERTAIN or finding["cause"] == UNKNOWN
    kind = words["certain" if certain else "likely"]
    lines = [_wrapped(f"{kind}: {finding['title']}", ""), _wrapped(finding["explanation"], "  "), f"{words['fix']}:"]
    lines += [_wrapped(step, "  - ") for step in finding["fix"]]
    if finding["proposal"]:
        changes = ", ".join(f"{name}: {value}" for name, value in finding["proposal"].items())
        lines.append(_wrapped(f"{words['change']}: {changes}", ""))
        if finding.get("consequence"):
            lines.append(_wrapped(finding["consequence"], "  "))
    for other in finding["alternatives"]:
        lines.append(_wrapped(f"{words['or']}: {other['title']}. {other['question']}", ""))
    if finding["evidence"]:
        lines.append(f"{words['seen']}:")
        lines += [f"  {line}" for line in finding["evidence"]]
    return "\n".join(lines)


def tried_text(lines: Sequence[Mapping[str, Any]], language: str = "en") -> str:
    """What was looked at beside (`also_tried.told`), "" for nothing."""
    if not lines:
        return ""
    words = _WORDS[language]
    said = [
        _wrapped(f"{words.get(line['place'], line['place'])}: {line['text']}", "  + " if line["ok"] else "  - ")
        for line in lines
    ]
    return "\n".join([f"{words['tried']}:", *said])


def warnings_text(warnings: Sequence[Mapping[str, str]], language: str = "en") -> str:
    """What is unwise though it works (`session_warnings.warnings_in`), "" for nothing."""
    return "\n".join(_wrapped(f"{_WORDS[language]['warning']}: {warning['text']}", "") for warning in warnings)


def _wrapped(text: str, lead: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False)
