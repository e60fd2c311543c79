"""The SMTP activity log of a day as its page shows it. The log is files; their reader is store/activity_reader.py."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy

from postroom.flow.instance.reader import cause_title
from postroom.pages import states
from postroom.store.activity_reader import ActivityReader, Found
from postroom.store.activity_shape import SEARCHED_CHARACTERS, Criteria, Shape

from .activity_filters import Asked
from .activity_histogram import Histogram, histogram_of
from .activity_rows import Row, row_of

SHOWN_ENTRIES = 60
FACET_VALUES = 8
RECIPIENTS_OF_NEWEST = 1_000
# So long a page reads what its index does not have yet.
WITHIN_S = 0.3
_LABELS = {
    "severity": gettext_lazy("Severity"),
    "cause": gettext_lazy("Cause"),
    "server": gettext_lazy("Server"),
    "outcome": gettext_lazy("Outcome"),
    "kind": gettext_lazy("Kind"),
    "recipient": gettext_lazy("Recipient"),
}
_KINDS = {
    "delivery": gettext_lazy("Deliveries"),
    "session": gettext_lazy("Connections"),
    "server": gettext_lazy("Changes of servers"),
    "test": gettext_lazy("Tests"),
}
_SEVERITIES = ("error", "warning", "information")
_OUTCOMES = {
    "connected": gettext_lazy("Connected"),
    "error": gettext_lazy("Connection failed"),
    "moved": gettext_lazy("Moved"),
    "slowed": gettext_lazy("Slowed down"),
    "resumed": gettext_lazy("Resumed"),
    "working": gettext_lazy("Works again"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet: its box, how many entries it would bring, and its chip's way out."""

    value: str
    label: str
    count: int
    is_chosen: bool
    without: str


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    label: str
    choices: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class DayLog:
    """`total` counts the whole day, `matching` what fits; `is_more` when a search ended at its bound. `known` says
    up to where the logs were read, `behind_bytes` how much is not read yet; `older` is the query of the next page."""

    rows: Sequence[Row]
    total: int
    matching: int
    is_more: bool
    facets: Sequence[Facet]
    chips: Sequence[Choice]
    histogram: Histogram
    known: str
    behind_bytes: int
    until: datetime | None
    older: str
    too_short: bool


def log_folder() -> Path:
    return Path(settings.DATA_DIR) / "logs"


def reader_of(asked: Asked) -> ActivityReader:
    return ActivityReader(log_folder(), *asked.bounds, within_s=WITHIN_S)


def read(asked: Asked) -> DayLog:
    """The day's newest entries that fit, with counts for each facet and each half hour."""
    with reader_of(asked) as log:
        return _read(asked, log)


def newer(asked: Asked, known: Mapping[str, int]) -> int:
    """How many entries that fit came since a page was made that knew so much of each day's log."""
    with reader_of(asked) as log:
        return log.newer(asked.criteria, known)


def _read(asked: Asked, log: ActivityReader) -> DayLog:
    criteria, totals = asked.criteria, log.totals()
    is_more = False
    if criteria.looks_inside:
        every = log.search(Criteria(text=criteria.text, recipient=criteria.recipient))
        chosen = replace(criteria, recipient=frozenset(), text="") != Criteria()
        fitting = log.search(criteria) if chosen else every
        is_more = fitting.is_more
        found = [one for one in fitting.found if asked.before is None or one.spot < asked.before]
        counts = Counter(one.shape for one in every.found)
        recipients = Counter(str(one.entry.get("recipient", "")).lower() for one in fitting.found)
        points: Iterable[tuple[int, Shape, int]] = ((one.spot.at_ms, one.shape, 1) for one in fitting.found)
        matching = len(fitting.found)
    else:
        found = log.newest(criteria, SHOWN_ENTRIES + 1, asked.before, fold=not asked.each)
        counts, recipients = totals, log.recipients(criteria, RECIPIENTS_OF_NEWEST)
        points = ((cell.slot_ms, cell.shape, cell.entries) for cell in log.cells if criteria.takes(cell.shape))
        matching = sum(entries for shape, entries in totals.items() if criteria.takes(shape))
    findings: dict[tuple[str, str], Mapping[str, Any]] = {}
    facets = [_facet(name, asked, counts, recipients) for name in _LABELS]
    return DayLog(
        rows=[row_of(one, findings) for one in found[:SHOWN_ENTRIES]],
        total=sum(totals.values()),
        matching=matching,
        is_more=is_more,
        facets=[facet for facet in facets if facet.choices],
        chips=[choice for facet in facets for choice in facet.choices if choice.is_chosen],
        histogram=histogram_of(asked.bounds, points),
        known=",".join(f"{day}:{octets}" for day, octets in log.indexed().items()),
        behind_bytes=sum(progress.behind_bytes for progress in log.progress.values()),
        until=_until(log),
        older=_older(asked, found),
        too_short=0 < len(criteria.text) < SEARCHED_CHARACTERS,
    )


def known_of(text: str) -> dict[str, int]:
    """What `DayLog.known` says; nothing of what can't be understood."""
    known = {}
    for part in text[:500].split(","):
        day, _colon, octets = part.partition(":")
        if octets.isdecimal() and len(octets) < 16:
            known[day] = int(octets)
    return known


def _until(log: ActivityReader) -> datetime | None:
    latest = max((progress.until_ms for progress in log.progress.values()), default=0)
    return datetime.fromtimestamp(latest / 1_000, UTC) if latest else None


def _older(asked: Asked, found: Sequence[Found]) -> str:
    return asked.query(before=str(found[SHOWN_ENTRIES - 1].spot)) if len(found) > SHOWN_ENTRIES else ""


def _facet(name: str, asked: Asked, shapes: Counter[Shape], recipients: Counter[str]) -> Facet:
    chosen: frozenset[str] = getattr(asked.criteria, name)
    counts: Counter[str] = Counter()
    if name == "recipient":
        counts = recipients
    else:
        for shape, entries in shapes.items():
            value = getattr(shape, name)
            if value and asked.criteria.takes(shape, without=name):
                counts[value] += entries
    values = [value for value, _n in counts.most_common(FACET_VALUES) if value]
    values += sorted(chosen - set(values))
    if name == "severity":
        values = [*_SEVERITIES, *(value for value in values if value not in _SEVERITIES)]
    label_of = _label_of(name)
    choices = [
        Choice(value, label_of(value), counts[value], value in chosen, asked.without(name, value)) for value in values
    ]
    return Facet(name, str(_LABELS[name]), choices)


def _label_of(name: str) -> Callable[[str], str]:
    match name:
        case "severity":
            return lambda value: str(states.look_of(value).word)
        case "kind":
            return lambda value: str(_KINDS.get(value, value))
        case "outcome":
            return lambda value: str(_OUTCOMES.get(value) or states.look_of(value).word)
        case "cause":
            # An entry's own title may name one host and port; a choice stands for all entries of the cause.
            return lambda value: cause_title(value).rstrip(".")
        case _:
            return lambda value: value
