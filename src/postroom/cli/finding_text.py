"""A finding as a person reads it in a terminal."""

import textwrap

from postroom.terms.finding import UNKNOWN, Confidence, Finding

WIDTH = 100
_WORDS = {
    "en": {
        "certain": "Cause", "likely": "Most likely cause", "fix": "Fix", "seen": "Evidence", "or": "Or",
        "change": "Proposed change",
    },
    "fr": {
        "certain": "Cause", "likely": "Cause la plus probable", "fix": "Remède", "seen": "Éléments", "or": "Ou bien",
        "change": "Changement proposé",
    },
}


def finding_text(finding: Finding, language: str = "en") -> str:
    """Title, explanation, steps, proposal, evidence, the other candidate; every line already escaped by the finding."""
    words = _WORDS[language]
    certain = finding.confidence is Confidence.CERTAIN or finding.cause == UNKNOWN
    kind = words["certain" if certain else "likely"]
    lines = [_wrapped(f"{kind}: {finding.title}", ""), _wrapped(finding.explanation, "  "), f"{words['fix']}:"]
    lines += [_wrapped(step, "  - ") for step in finding.fix]
    if finding.proposal:
        changes = ", ".join(f"{name}: {value}" for name, value in finding.proposal.items())
        lines.append(_wrapped(f"{words['change']}: {changes}", ""))
    for other in finding.alternatives:
        lines.append(_wrapped(f"{words['or']}: {other.title}. {other.question}", ""))
    if finding.evidence:
        lines.append(f"{words['seen']}:")
        lines += [f"  {line}" for line in finding.evidence]
    return "\n".join(lines)


def _wrapped(text: str, lead: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False)
