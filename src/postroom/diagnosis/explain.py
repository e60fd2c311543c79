"""Evidence to finding: the first rule of the catalogue that fits decides, and its cause's texts are filled in."""

from collections.abc import Mapping, Sequence
from typing import Any

from postroom.smtp.text import printable
from postroom.smtp.trace import Event
from postroom.terms.envelope import RecipientResult
from postroom.terms.finding import UNKNOWN, Alternative, Confidence, Finding
from postroom.terms.outcome import Retry
from postroom.terms.server import ServerSettings

from .catalogue import Catalogue, Rule, Text, catalogue
from .evidence import Evidence
from .matching import fitting_rule
from .session_evidence import evidence_of

EVIDENCE_LINES = 12
EVIDENCE_CHARACTERS = 300
VALUE_CHARACTERS = 120


def finding_of(evidence: Evidence, language: str = "en") -> Finding:
    """The finding of this evidence; `unknown` with the evidence when no rule fits. `language` is "en" or "fr"."""
    known = catalogue()
    rule = fitting_rule(known.rules, evidence)
    if rule is None:
        rule = Rule(cause=UNKNOWN, confidence=Confidence.LIKELY)
    return _finding(known, rule, evidence, language if language in known.words else "en")


def finding_of_delivery(
    events: Sequence[Event],
    settings: ServerSettings,
    result: RecipientResult,
    language: str = "en",
    *,
    secret_facts: tuple[str, ...] = (),
) -> Finding:
    """The finding of one recipient's failed attempt, by the same rules as a test's.

    `secret_facts` are those of `session_evidence.secret_facts`, from whoever holds the password.
    """
    return finding_of(evidence_of(events, settings, (result,), secret_facts=secret_facts), language)


def finding_of_cause(
    slug: str, *, quotes: Sequence[str] = (), values: Mapping[str, str] | None = None, language: str = "en"
) -> Finding:
    """The finding of a cause that is known without a session, as what our own queue or disk did.

    Raises KeyError for a slug that the catalogue does not have.
    """
    known = catalogue()
    evidence = Evidence(values=values or {}, quotes=tuple(quotes))
    return _finding(known, Rule(cause=slug), evidence, language if language in known.words else "en")


def _finding(known: Catalogue, rule: Rule, evidence: Evidence, language: str) -> Finding:
    cause = known.causes[rule.cause]
    values = values_in(known, evidence.provider, _own_values(evidence.values), language)
    variant = rule.variant or (evidence.provider if evidence.provider in cause.variants else "") or ""
    text = filled(cause.text(language, variant), values)
    return Finding(
        cause=cause.slug,
        confidence=rule.confidence,
        title=text.title,
        explanation=text.explanation,
        fix=text.fix,
        retry=rule.retry or _retry(cause.retry, evidence),
        evidence=tuple(printable(line, EVIDENCE_CHARACTERS) for line in evidence.quotes[:EVIDENCE_LINES]),
        field=cause.field,
        proposal=dict(evidence.proposal) if evidence.proposal else None,
        consequence=consequence_text(known, evidence.consequence, values, language),
        alternatives=_alternatives(known, rule.alternative, values, language),
        told=_told(rule, variant, evidence, language),
    )


def _told(rule: Rule, variant: str, evidence: Evidence, language: str) -> dict[str, Any]:
    """What `retelling` makes the same finding of in another language."""
    return {
        "language": language, "variant": variant, "alternative": rule.alternative, "provider": evidence.provider,
        "values": _own_values(evidence.values), "consequence": evidence.consequence,
    }


def _retry(usual: Retry, evidence: Evidence) -> Retry:
    """An unexplained 4xx may pass later (RFC 5321 4.2.1), an unexplained 5xx will not pass unchanged."""
    if usual is Retry.PERMANENT and evidence.codes and all(400 <= code < 500 for code in evidence.codes):
        return Retry.TRANSIENT
    return usual


def consequence_text(known: Catalogue, name: str, values: Mapping[str, str], language: str) -> str | None:
    """What a proposed change brings along, None where there is nothing to tell."""
    return known.consequences[name][language].format_map(values) if name else None


def _alternatives(
    known: Catalogue, other: str, values: Mapping[str, str], language: str
) -> tuple[Alternative, ...]:
    if not other:
        return ()
    text = filled(known.causes[other].text(language), values)
    return (Alternative(other, text.title, text.question),)


def values_in(known: Catalogue, provider_slug: str | None, own: Mapping[str, str], language: str) -> dict[str, str]:
    """What the braces of texts stand for: the catalogue's words, the provider's name, the evidence's own values."""
    provider = known.provider(provider_slug) if provider_slug else None
    named = {"server": provider.title, "Server": provider.title} if provider and provider.is_public_service else {}
    return {**known.words[language], **named, **own}


def _own_values(values: Mapping[str, str]) -> dict[str, str]:
    return {name: printable(value, VALUE_CHARACTERS) for name, value in values.items() if value}


def filled(text: Text, values: Mapping[str, str]) -> Text:
    """The text with its braces filled. Raises KeyError for a value that is not there."""
    return Text(
        title=text.title.format_map(values),
        explanation=text.explanation.format_map(values),
        fix=tuple(step.format_map(values) for step in text.fix),
        question=text.question.format_map(values),
    )
