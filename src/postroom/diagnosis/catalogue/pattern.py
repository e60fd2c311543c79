"""Patterns of the catalogue, compiled when a text is first held against them: most findings need few of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache


@cache
def compiled(source: str) -> re.Pattern[str]:
    """The pattern. Raises re.error when it is none."""
    return re.compile(source)


@dataclass(frozen=True, slots=True)
class Patterns:
    """Alternatives in lower case; false when there are none."""

    sources: tuple[str, ...] = ()

    @classmethod
    def of(cls, sources: Iterable[str]) -> "Patterns":
        return cls(tuple(sources))

    def __bool__(self) -> bool:
        return bool(self.sources)

    def are_in(self, text: str) -> bool:
        """One of them is found in `text`."""
        return bool(text) and any(compiled(source).search(text) for source in self.sources)


NO_PATTERNS = Patterns()
