"""An entry of the activity log as a row: what happened as a sentence, and what lies behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from postroom.diagnosis.explain import finding_of_cause
from postroom.flow.instance.reader import cause_title, language, told
from postroom.pages import words
from postroom.store.activity_reader import Found
from postroom.store.activity_shape import text_of

from .server_tests import STAGE_LABELS

_STAGE_LABELS = {str(stage): label for stage, label in STAGE_LABELS.items()}
_DELIVERED = {
    ("sent", True): gettext_lazy("Sent “%(subject)s” to %(recipient)s"),
    ("deferred", True): gettext_lazy("Deferred “%(subject)s” to %(recipient)s"),
    ("failed", True): gettext_lazy("Failed “%(subject)s” to %(recipient)s"),
    ("uncertain", True): gettext_lazy("Uncertain “%(subject)s” to %(recipient)s"),
    ("sent", False): gettext_lazy("Sent a message to %(recipient)s"),
    ("deferred", False): gettext_lazy("Deferred a message to %(recipient)s"),
    ("failed", False): gettext_lazy("Failed a message to %(recipient)s"),
    ("uncertain", False): gettext_lazy("Uncertain message to %(recipient)s"),
}
_TESTED = {
    "passed": gettext_lazy("Test passed"),
    "failed": gettext_lazy("Test failed"),
    "stopped": gettext_lazy("Test stopped"),
}
_CAME_BACK = {
    "bounced": gettext_lazy("Came back from %(recipient)s"),
    "delayed": gettext_lazy("Reported late for %(recipient)s"),
    "confirmed": gettext_lazy("Arrival confirmed for %(recipient)s"),
    "complained": gettext_lazy("%(recipient)s complained"),
}
_HAPPENED = {
    "connected": gettext_lazy("Connection opened"),
    "error": gettext_lazy("Session ended with an error"),
    "failing": gettext_lazy("%(server)s is marked failing"),
    "working": gettext_lazy("%(server)s works again"),
    "paused": gettext_lazy("%(server)s is paused"),
    "resumed": gettext_lazy("The pause of %(server)s is over"),
    "slowed": gettext_lazy("%(server)s asked to be given less"),
    "moved": gettext_lazy("Deliveries that waited for %(server)s moved to %(moved_to)s"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """`times` counts like entries for which it stands, 1 for itself alone. `finding` explains the cause, {} without
    one; `facts` are pairs of label and value."""

    key: str
    at: datetime
    severity: str
    server: str
    title: str
    sentence: str
    repeated: str
    took: str
    reply: str
    facts: list[tuple[str, str]]
    finding: Mapping[str, Any]
    message: str
    test: str
    has_test_log: bool
    cause: str
    times: int

    @property
    def tone(self) -> str:
        return {"error": "bad", "warning": "warn"}.get(self.severity, "ok")


def row_of(found: Found, findings: dict[tuple[str, str], Mapping[str, Any]]) -> Row:
    """The row of an entry; `findings` remembers what was explained already for this page."""
    entry, shape = found.entry, found.shape
    at = datetime.fromtimestamp(found.spot.at_ms / 1_000, UTC)
    is_trouble = shape.severity != "information"
    seconds = entry.get("seconds")
    return Row(
        key=str(found.spot).replace("~", "-"),
        at=at,
        severity=shape.severity,
        server=shape.server,
        title=cause_title(shape.cause, shape.title).rstrip(".") if shape.cause and is_trouble else "",
        sentence=sentence_of(entry, shape.kind, shape.outcome),
        repeated=_repeated(found),
        took=words.measured(float(seconds), "s", 1) if isinstance(seconds, int | float) and seconds else "",
        reply=text_of(entry, "reply"),
        facts=_facts(entry),
        finding=_finding(shape.cause, entry, findings) if shape.cause else {},
        message=id_in(text_of(entry, "message")),
        test=id_in(text_of(entry, "test")),
        has_test_log=shape.kind == "test",
        cause=shape.cause,
        times=found.times,
    )


def sentence_of(entry: Mapping[str, Any], kind: str, outcome: str) -> str:
    """What happened, in the reader's language."""
    values = {name: text_of(entry, name) for name in ("subject", "recipient", "server", "moved_to")}
    if kind == "delivery" and (pattern := _DELIVERED.get((outcome, bool(values["subject"])))):
        sentence = str(pattern) % values
        if values["moved_to"]:
            return _("%(sentence)s, moved to %(moved_to)s at once") % {**values, "sentence": sentence}
        return sentence
    if kind == "bounce" and outcome in _CAME_BACK:
        return str(_CAME_BACK[outcome]) % values
    if kind == "test" and outcome in _TESTED:
        stage = _stage(entry)
        if outcome == "failed" and stage:
            return _("Test failed at the stage %(stage)s") % {"stage": stage}
        return str(_TESTED[outcome])
    if outcome == "error" and (stage := _stage(entry)):
        return _("Session ended with an error at the stage %(stage)s") % {"stage": stage}
    if outcome in _HAPPENED:
        return str(_HAPPENED[outcome]) % values
    told_title = cause_title(text_of(entry, "cause"), text_of(entry, "title"))
    return told_title or outcome or _("An entry of a newer version")


def id_in(text: str) -> str:
    """An id of ours, for a link; "" for anything else."""
    return text if text.isascii() and text.isalnum() and len(text) <= 26 else ""


def _stage(entry: Mapping[str, Any]) -> str:
    stage = text_of(entry, "stage")
    return str(_STAGE_LABELS.get(stage, stage))


def _repeated(found: Found) -> str:
    if found.times < 2:
        return ""
    since = words.clock(datetime.fromtimestamp(found.since_ms / 1_000, UTC))
    text = ngettext("%(n)s time since %(clock)s", "%(n)s times since %(clock)s", found.times)
    return text % {"n": words.number(found.times), "clock": since}


def _facts(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = [
        (_("Stage"), _stage(entry)),
        (_("Code"), " ".join(part for part in (text_of(entry, "code"), text_of(entry, "enhanced")) if part)),
        (_("Recipient"), text_of(entry, "recipient")),
        ("Message-ID", text_of(entry, "message_id")),
    ]
    return [(label, value) for label, value in pairs if value]


def _finding(
    cause: str, entry: Mapping[str, Any], findings: dict[tuple[str, str], Mapping[str, Any]]
) -> Mapping[str, Any]:
    key = (cause, text_of(entry, "recipient"))
    if key not in findings:
        known = {name: text_of(entry, name) for name in ("recipient", "code") if text_of(entry, name)}
        try:
            findings[key] = told(finding_of_cause(cause, values=known, language=language()).as_stored())
        except KeyError:
            findings[key] = {}
    return findings[key]
