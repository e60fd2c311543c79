"""A cause of the catalogue and its texts."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from postroom.terms.outcome import Retry


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads of a cause, in one language. Braces hold names of values ("{host}").

    `question` decides between this cause and another one, for when this is the alternative of a finding.
    """

    title: str
    explanation: str
    fix: tuple[str, ...]
    question: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause under its stable slug.

    `texts` maps language to text; `variants` maps a variant's name to texts that say the same cause for one
    situation or provider. `field` is the API name of the setting at fault, None when no setting is.
    """

    slug: str
    retry: Retry
    field: str | None
    texts: Mapping[str, Text]
    variants: Mapping[str, Mapping[str, Text]] = dataclasses.field(default_factory=dict)

    def text(self, language: str, variant: str = "") -> Text:
        """The text of the variant, else of the cause; English when the language has none."""
        texts = self.variants.get(variant) or self.texts
        return texts.get(language) or texts["en"]
