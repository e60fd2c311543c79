"""Evidence: everything a finding may rest on, gathered from a session's events, from looks, or from a text."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from postroom.terms.outcome import Stage

# Patterns see at most this much of any remote text; what decides stands near the beginning or was quoted by a client.
TEXT_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the settings; None where a value is not known."""

    host: str = ""
    port: int | None = None
    security: str | None = None
    username_given: bool | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Facts about one failure.

    `stage` is where it showed itself, None when that is not known. `symptoms` names facts ("refused", "cert-expired").
    `codes` and `enhanced` are those of the deciding reply, or all that a text quotes. `text` is lower case and bounded.
    `greeting` is the server's banner and EHLO name, lower case. `values` fills the braces of texts. `proposal` is the
    change of settings that a look showed to work, `consequence` names the text that tells what else it brings. `quotes`
    are the lines that prove it, unescaped.
    """

    stage: Stage | None = None
    symptoms: frozenset[str] = frozenset()
    codes: frozenset[int] = frozenset()
    enhanced: frozenset[str] = frozenset()
    text: str = ""
    greeting: str = ""
    provider: str | None = None
    client: str = ""
    known: Known = field(default_factory=Known)
    values: Mapping[str, str] = field(default_factory=dict)
    proposal: Mapping[str, Any] | None = None
    consequence: str = ""
    quotes: tuple[str, ...] = ()

    def with_facts(
        self,
        *symptoms: str,
        values: Mapping[str, str] | None = None,
        quotes: tuple[str, ...] = (),
    ) -> Self:
        """The evidence with further facts."""
        return replace(
            self,
            symptoms=self.symptoms | set(symptoms),
            values={**self.values, **(values or {})},
            quotes=tuple(dict.fromkeys(filter(None, self.quotes + quotes))),
        )
