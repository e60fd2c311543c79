"""Which domains mail may go to, where the administrator allows only some."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AllowedDomains:
    """Domains in lower case as A-labels; "*.example.org" stands for every domain below. Without any, every domain is
    allowed."""

    patterns: tuple[str, ...] = ()

    def covers(self, domain: str) -> bool:
        """Whether mail may go to that domain, in any case of letters."""
        domain = domain.lower()
        return not self.patterns or any(
            domain.endswith(pattern[1:]) if pattern.startswith("*.") else domain == pattern
            for pattern in self.patterns
        )
