"""What becomes of instants that have passed: those that are due now, and what was missed while nothing ran (S2, S4)."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from .instants import instants, latest
from .rule import NO_DAYS_OFF, Schedule

# An instant that is taken up within this time is late; later, it was missed.
LATE = timedelta(minutes=5)
# Of what was missed, no more than the newest of these is made up for.
MOST_CAUGHT_UP = 100


class CatchUp(StrEnum):
    """What is made up for: nothing, the last instant missed, or all within a time."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Due:
    """Instants to run now, ascending; those in `caught_up` were missed. `next_at` is the next one, None without.
    `dropped` tells that others were missed and are not made up for."""

    on_time: tuple[datetime, ...]
    caught_up: tuple[datetime, ...]
    next_at: datetime | None
    dropped: bool


def due(
    schedule: Schedule,
    next_at: datetime,
    now: datetime,
    catch_up: CatchUp,
    within: timedelta,
    days_off: Container[date] = NO_DAYS_OFF,
) -> Due:
    """What to do at `now` about the instants from `next_at` on."""
    passed = latest(schedule, max(next_at, now - timedelta(days=3_700)), now, days_off, MOST_CAUGHT_UP + 1)
    on_time = tuple(at for at in passed if now - at <= LATE)
    missed = passed[: len(passed) - len(on_time)]
    caught_up: list[datetime] = []
    if catch_up is CatchUp.ALL:
        caught_up = [at for at in missed if now - at <= within][-MOST_CAUGHT_UP:]
    elif catch_up is CatchUp.LAST and not on_time:
        caught_up = missed[-1:]
    following = instants(schedule, now, days_off, 1)
    return Due(on_time, tuple(caught_up), following[0] if following else None, len(missed) > len(caught_up))


def corrected(
    schedule: Schedule, next_at: datetime | None, now: datetime, days_off: Container[date] = NO_DAYS_OFF
) -> datetime | None:
    """The next instant, where the one on record can't be it: it is later than the next one of the present clock, after
    that went back, or no instant any more. One that has passed stays: what is due comes first."""
    if next_at is not None and next_at <= now:
        return next_at
    following = instants(schedule, now, days_off, 1)
    return following[0] if following else None
