"""Why a report could not be had from its source: a kind that scripts and rules may read, and words for its owner."""

from enum import StrEnum

from .wording import Wording


class SourceFaultKind(StrEnum):
    """What went wrong. `is_passing` ones may be gone at the next try."""

    MISSING = "missing"
    STALE = "stale"
    GROWING = "growing"
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    TOO_MANY_ROWS = "too-many-rows"
    WRONG_TYPE = "wrong-type"
    UNREADABLE = "unreadable"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BROKEN_OFF = "broken-off"
    NOT_ALLOWED = "not-allowed"
    CERTIFICATE = "certificate"
    SIGN_IN = "sign-in"
    REFUSED = "refused"
    QUERY = "query"
    PARAMETERS = "parameters"
    SETTINGS = "settings"
    STORAGE = "storage"

    @property
    def is_passing(self) -> bool:
        return self in _PASSING


_PASSING = frozenset({
    SourceFaultKind.MISSING, SourceFaultKind.STALE, SourceFaultKind.GROWING, SourceFaultKind.EMPTY,
    SourceFaultKind.TIMEOUT, SourceFaultKind.UNREACHABLE, SourceFaultKind.BROKEN_OFF, SourceFaultKind.REFUSED,
    SourceFaultKind.STORAGE,
})


class SourceFault(Exception):
    """No report, and why. `text` says what happened and what to do; `evidence` is what the source or the system said,
    made safe to show, without secrets, and "" where nobody said anything."""

    def __init__(self, kind: SourceFaultKind, text: Wording, evidence: str = "") -> None:
        super().__init__(f"{text} ({evidence})" if evidence else str(text))
        self.kind, self.text, self.evidence = kind, text, evidence
