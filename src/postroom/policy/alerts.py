"""The life of an alert as a function of what is seen and of the time: when it opens and closes, and what is told when.

Re-arm: what is wrong has to stay away for a while before its alert closes, so that something that comes and goes is one
alert and not many. Digest: warnings wait a little for others and leave together. Quiet hours: warnings wait for their
end. Escalation: what nobody acknowledges is told to others once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum

from .alert_kinds import Severity

REARM = timedelta(minutes=10)


class Step(StrEnum):
    """What becomes of an alert now."""

    NOTHING = "nothing"
    OPEN = "open"
    SEE = "see"
    WAIT = "wait"
    CLOSE = "close"


class Event(StrEnum):
    """One piece of news about an alert."""

    OPENED = "opened"
    REMINDER = "reminder"
    ESCALATED = "escalated"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert as policy sees it; times as in the table."""

    severity: Severity
    opened_at: datetime
    closed_at: datetime | None = None
    acknowledged_at: datetime | None = None
    told_at: datetime | None = None
    reminded_at: datetime | None = None
    escalated_at: datetime | None = None
    closing_told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Quiet:
    """From one wall-clock time to another of the site's zone, over midnight where `until` is not later."""

    since: time
    until: time

    def holds(self, at: time) -> bool:
        if self.since == self.until:
            return False
        if self.since < self.until:
            return self.since <= at < self.until
        return at >= self.since or at < self.until


@dataclass(frozen=True, slots=True)
class Telling:
    """How news are told. None: no reminders, no escalation, no quiet hours."""

    digest: timedelta = timedelta(minutes=10)
    remind: timedelta | None = timedelta(hours=24)
    escalate: timedelta | None = None
    quiet: Quiet | None = None
    closings: bool = True


def step_of(*, is_open: bool, is_seen: bool, clear_since: datetime | None, now: datetime) -> Step:
    """What a look at its condition means for an alert, open or not. A `clear_since` ahead of now comes of a clock that
    was set back, and counts from now."""
    if is_seen:
        return Step.SEE if is_open else Step.OPEN
    if not is_open:
        return Step.NOTHING
    if clear_since is None or clear_since > now:
        return Step.WAIT
    return Step.CLOSE if now - clear_since >= REARM else Step.NOTHING


def is_quiet(telling: Telling, now: datetime, zone: tzinfo) -> bool:
    """Whether warnings wait now."""
    return telling.quiet is not None and telling.quiet.holds(now.astimezone(zone).time())


def pending(standing: Standing, telling: Telling, now: datetime) -> Event | None:
    """The news of an alert that nobody has been told yet, whether or not it may leave now."""
    if standing.told_at is None:
        # What was over before anybody could be told is told once, as what it was.
        return Event.CLOSED if standing.closed_at and telling.closings else _unless(standing.closed_at, Event.OPENED)
    if standing.closed_at is not None:
        return Event.CLOSED if standing.closing_told_at is None and telling.closings else None
    if standing.acknowledged_at is not None:
        return None
    if telling.escalate is not None and standing.escalated_at is None and now - standing.told_at >= telling.escalate:
        return Event.ESCALATED
    last = standing.reminded_at or standing.told_at
    return Event.REMINDER if telling.remind is not None and now - last >= telling.remind else None


def is_urgent(standing: Standing, event: Event) -> bool:
    """Whether the news waits neither for others nor for the end of quiet hours."""
    return event is Event.ESCALATED or (event is Event.OPENED and standing.severity is Severity.CRITICAL)


def may_leave(
    waiting: Iterable[tuple[Standing, Event]], telling: Telling, now: datetime, zone: tzinfo
) -> bool:
    """Whether the news that wait leave now, all together: one of them is urgent, or the oldest has waited for its
    digest and no quiet hours hold."""
    found = list(waiting)
    if any(is_urgent(standing, event) for standing, event in found):
        return True
    if is_quiet(telling, now, zone):
        return False
    return any(_since(standing, event) + telling.digest <= now for standing, event in found)


def _since(standing: Standing, event: Event) -> datetime:
    """Since when the news waits."""
    if event is Event.CLOSED and standing.closed_at is not None:
        return standing.closed_at if standing.told_at is not None else standing.opened_at
    return standing.opened_at


def _unless(closed_at: datetime | None, event: Event) -> Event | None:
    return None if closed_at is not None else event
