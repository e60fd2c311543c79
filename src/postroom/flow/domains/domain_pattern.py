"""A domain, or all below one, as people write it: example.org, *.example.org, @example.org."""

from postroom.terms.host_name import host_reading
from postroom.terms.wording import Wording, worded


class PatternRefused(ValueError):
    """It is none; `text` says what to enter."""

    def __init__(self, text: Wording) -> None:
        super().__init__(text)
        self.text = text


def domain_pattern(typed: str) -> str:
    """A domain, or "*." and a domain, in lower case as A-labels. Raises PatternRefused."""
    star, bare = ("*.", typed[2:]) if typed.startswith("*.") else ("", typed.removeprefix("@"))
    reading = host_reading(bare)
    if reading.flaw or not reading.host:
        raise PatternRefused(worded(
            "“{value}” is not a domain. Enter one such as example.org, or *.example.org for those below it.",
            value=typed[:100],
        ))
    return star + reading.host.lower()
