"""A rule: when the evidence looks so, this is the cause. The first rule that fits decides."""

from dataclasses import dataclass

from postroom.terms.finding import Confidence
from postroom.terms.outcome import Retry, Stage

from .pattern import NO_PATTERNS, Patterns


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions are all to be met; an empty one always is.

    `stage` needs the stage to be known, `at` also fits when it is not. `code` holds reply codes, "4xx" or "5xx".
    `enhanced` holds enhanced status codes, whose class may be "x" ("x.7.8"). `text` holds patterns, of which one has to
    be found in the lower-case text of the reply (or of what a client said); `without` patterns that must not be.
    `or_enhanced` holds enhanced status codes that say the same as `text`, whatever the words.
    `symptom` needs one of its names, `symptoms` all of them, `no_symptom` none. `basis` is what the rule rests on:
    sections of RFCs, pages of vendors, or public threads ("owner/name#number") that found this cause independently.
    """

    cause: str
    basis: tuple[str, ...] = ()
    confidence: Confidence = Confidence.CERTAIN
    variant: str = ""
    retry: Retry | None = None
    alternative: str = ""
    stage: frozenset[Stage] = frozenset()
    at: frozenset[Stage] = frozenset()
    code: frozenset[str] = frozenset()
    enhanced: frozenset[str] = frozenset()
    text: Patterns = NO_PATTERNS
    or_enhanced: frozenset[str] = frozenset()
    without: Patterns = NO_PATTERNS
    symptom: frozenset[str] = frozenset()
    symptoms: frozenset[str] = frozenset()
    no_symptom: frozenset[str] = frozenset()
    provider: frozenset[str] = frozenset()
    security: frozenset[str] = frozenset()
    port: frozenset[int] = frozenset()
    host: Patterns = NO_PATTERNS
    client: Patterns = NO_PATTERNS
    username: bool | None = None
