"""A schedule out of a cron expression of five fields, as Debian's cron and crontab(5) read it."""

from datetime import time
from typing import Any

from postroom.terms.wording import Wording, worded

from .rule import LAST, Days, Schedule, ScheduleFault

MACROS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}
LONGEST = 200


def schedule_of_cron(expression: str, zone: str) -> Schedule:
    """Raises ScheduleFault. Beyond numbers, lists, ranges and steps it knows L, LW, MON#1 and MON-FRI.

    The second fields that some dialects have are refused: reports run at whole minutes."""
    expression = " ".join(expression.split())
    fields = MACROS.get(expression.lower(), expression)
    if len(expression) > LONGEST or len(fields.split()) != 5:
        text = worded("It has five fields: minute, hour, day of the month, month, day of the week.")
        raise _fault(expression, text)
    read = _read(fields, expression)
    if read.day_and and _pairs(read) and len(read.days) < 31:
        raise _fault(expression, worded("Such days of the week don't go with days of the month."))
    hours, minutes = sorted(read.hours), sorted(read.minutes)
    return Schedule(
        zone,
        _days(read),
        tuple(time(hour, minute) for hour in hours for minute in minutes),
        repeats=len(hours) == 24,
        cron=expression,
    )


def _read(fields: str, expression: str) -> Any:
    # Only its reader is wanted: whoever sets no cron never loads it.
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    try:
        return CronSim(fields, datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise _fault(expression, worded("The reader says: {error}.", error=str(error))) from None
    except (ValueError, IndexError, AssertionError):
        raise _fault(expression, worded("One of its fields can't be read.")) from None


def _days(read: Any) -> Days:
    either = not read.day_and
    plain = {(day - 1) % 7 for day in read.weekdays if isinstance(day, int)}
    nth = {(LAST if n < 0 else n, (day - 1) % 7) for day, n in _pairs(read)}
    numbered = {day for day in read.days if day > 0}
    return Days(
        weekdays=tuple(sorted(plain)) if either or len(plain) < 7 else (),
        month_days=(tuple(sorted(numbered)) if either or len(numbered) < 31 else ())
        + ((LAST,) if read.LAST in read.days else ()),
        nth=tuple(sorted(nth, key=lambda pair: (pair[0] == LAST, pair))),
        workdays=(LAST,) if read.LAST_WEEKDAY in read.days else (),
        months=tuple(sorted(read.months)) if len(read.months) < 12 else (),
        either=either or bool(nth and plain),
    )


def _pairs(read: Any) -> set[tuple[int, int]]:
    return {day for day in read.weekdays if isinstance(day, tuple)}


def _fault(expression: str, reason: Wording) -> ScheduleFault:
    return ScheduleFault("cron", worded("“{cron}” can't be taken as cron. {reason}", cron=expression, reason=reason))
