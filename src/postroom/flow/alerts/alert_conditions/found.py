"""One thing that is wrong, as a look finds it."""

from dataclasses import dataclass

from postroom.diagnosis.retelling import title_of
from postroom.policy.alert_kinds import Severity
from postroom.terms.wording import Wording, worded


@dataclass(frozen=True, slots=True)
class Found:
    """`key` tells it from others of its rule and stays the same while it lasts; `subject` is what people call it.
    `link` is a path of ours; `server_id` the SMTP server that should not carry the news. A `severity` above the rule's
    counts."""

    key: str
    subject: str
    title: Wording
    text: Wording
    fix: tuple[Wording, ...] = ()
    evidence: str = ""
    link: str = ""
    server_id: str = ""
    severity: Severity = Severity.WARNING


def cause_words(cause: str) -> Wording:
    """The title of a cause: its English is the pattern that `alert_words` translates."""
    return worded(title_of(cause, "en") or cause)
