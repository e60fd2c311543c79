"""What is asked of the DNS, what it said, and the inquiry that collects what a reading still wants to know.

A reading is a plain function of an `Inquiry`. Whoever runs it looks up what it wanted and runs it again, until nothing
is wanted: so the same code says what to ask and what it means, and knows neither socket nor clock.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

# No RFC figure: an inquiry ends after so many questions. RFC 7208 section 4.6.4 allows ten in one SPF record, RFC 9989
# section 4.10 eight in a walk; a provider's own record is read beside them.
QUESTIONS = 64


class Outcome(StrEnum):
    """FOUND has values; EMPTY: the name has no record of the kind; NO_NAME: it does not exist (RFC 8020)."""

    FOUND = "found"
    EMPTY = "empty"
    NO_NAME = "no-name"
    UNKNOWN = "unknown"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class Question:
    """A name and the kind of its records: TXT, MX, A or AAAA."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`values` are text, addresses, or "preference host" of MX with "." for the null host. `reason` says why the
    outcome is unknown; `alias` is where a CNAME of the name leads."""

    outcome: Outcome
    values: tuple[str, ...] = ()
    reason: str = ""
    alias: str = ""

    @property
    def is_known(self) -> bool:
        return self.outcome not in (Outcome.UNKNOWN, Outcome.UNASKED)


_UNASKED = Answer(Outcome.UNASKED, reason="too-many")


class Inquiry:
    """Answers by question; a question that has none is remembered as wanted."""

    def __init__(self, answers: Mapping[Question, Answer]) -> None:
        self._answers = answers
        self._wanted: dict[Question, None] = {}

    def __call__(self, name: str, kind: str) -> Answer:
        question = Question(name.lower().rstrip("."), kind)
        known = self._answers.get(question)
        if known is None:
            self._wanted[question] = None
            return _UNASKED
        return known

    def wanted(self) -> Iterator[Question]:
        """What to ask next, within the bound of questions in all."""
        room = max(0, QUESTIONS - len(self._answers))
        return iter(list(self._wanted)[:room])
