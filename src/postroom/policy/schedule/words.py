"""A schedule out of plain English or French words: “every Monday and Thursday at 07:30”, “le 1er du mois à 8 h”."""

from calendar import monthrange
from datetime import time

from postroom.terms.wording import Wording, worded

from .clauses import Clauses, Grammar
from .rule import COUNTED_FROM, LAST, Days, Schedule, ScheduleFault
from .tokens import tokens_of
from .vocabulary import VOCABULARIES

_END_OF_DAY = 24 * 60 - 1


def schedule_of_words(words: str, zone: str) -> Schedule:
    """Raises ScheduleFault with what is not understood, or what is missing."""
    first_fault: ScheduleFault | None = None
    furthest = -1
    for vocabulary in VOCABULARIES.values():
        try:
            return _schedule(Grammar(tokens_of(words, vocabulary)).read(), zone)
        except ScheduleFault as fault:
            place = _place(fault, words)
            if place > furthest:
                first_fault, furthest = fault, place
    assert first_fault is not None
    raise first_fault


def _place(fault: ScheduleFault, words: str) -> int:
    """How far a reader got before it gave up: of two languages, the one that got further is the writer's."""
    quoted = fault.text.split("“")[1].split("”")[0] if "“" in fault.text else ""
    found = words.lower().find(quoted) if quoted else -1
    return found if found >= 0 else len(words)


def _schedule(said: Clauses, zone: str) -> Schedule:
    _refuse_contradictions(said)
    times, repeats = _times(said)
    return Schedule(zone, _days(said), times, repeats)


def _days(said: Clauses) -> Days:
    weekdays = said.weekdays or ({0} if said.every_weeks and not said.any_day else set())
    if said.excepted:
        weekdays = (weekdays or set(range(7))) - said.excepted
    month_days, months = set(said.month_days), set(said.months)
    if said.pairs:
        month_days |= {day for day, _ in said.pairs}
        months |= {month for _, month in said.pairs}
    if said.month_step and not months:
        months = set(range(1, 13, said.month_step)) if said.month_step > 1 else set()
    by_month = bool(month_days or said.nth or said.workdays)
    if (said.month_step or months) and not (by_month or weekdays or said.any_day or said.step_minutes):
        month_days = {1}
    return Days(
        weekdays=tuple(sorted(weekdays)) if len(weekdays) < 7 else (),
        month_days=_ordered(month_days),
        nth=tuple(sorted(said.nth, key=lambda pair: (pair[0] == LAST, pair))),
        workdays=_ordered(said.workdays),
        months=tuple(sorted(months)) if len(months) < 12 else (),
        every_weeks=said.every_weeks or 1,
        every_days=said.every_days,
        counted_from=said.start or COUNTED_FROM,
    )


def _ordered(days: set[int]) -> tuple[int, ...]:
    return tuple(sorted(days, key=lambda day: (day == LAST, day)))


def _times(said: Clauses) -> tuple[tuple[time, ...], bool]:
    if said.step_minutes:
        first, last = said.window or (0, _END_OF_DAY)
        return _as_times(range(first, last + 1, said.step_minutes)), said.step_minutes <= 60
    return _as_times(sorted(said.minutes)), False


def _as_times(minutes: range | list[int]) -> tuple[time, ...]:
    return tuple(time(minute // 60, minute % 60) for minute in minutes)


def _refuse_contradictions(said: Clauses) -> None:
    by_month = said.month_days or said.nth or said.workdays or said.pairs
    if said.step_minutes and said.minutes:
        raise _fault(worded("Say either at which times or how often in a day, not both."))
    if said.window and not said.step_minutes:
        raise _fault(worded("Say how often in that time span, such as every 30 minutes from 08:00 to 18:00."))
    if not said.step_minutes and not said.minutes:
        raise _fault(worded("Say at what time, such as at 07:30."))
    if said.day_lists > 1 and any(times != said.time_lists[0] for times in said.time_lists):
        raise _fault(worded("Days with different times don't fit in one schedule. Make a subscription for each time."))
    if by_month and (said.weekdays or said.excepted or said.any_day or said.every_weeks):
        raise _fault(worded("Say either days of the week or days of the month, not both."))
    if said.every_days > 1 and (said.weekdays or said.every_weeks):
        raise _fault(worded("Say either every so many days or days of the week, not both."))
    if (said.weekdays and said.weekdays <= said.excepted) or len(said.excepted) == 7:
        raise _fault(worded("No day is left."))
    _refuse_days_nobody_has(said)


def _refuse_days_nobody_has(said: Clauses) -> None:
    if said.pairs and (said.months or said.month_days or _is_cross(said)):
        raise _fault(worded("Several days of several months don't fit in one schedule. Name the same day for each."))
    months = {month for _, month in said.pairs} or said.months
    days = {day for day, _ in said.pairs} or said.month_days
    if days and months and min(days) > max(monthrange(2024, month)[1] for month in months):
        raise _fault(worded("No such day comes in these months."))


def _is_cross(said: Clauses) -> bool:
    days, months = {day for day, _ in said.pairs}, {month for _, month in said.pairs}
    return len(said.pairs) != len(days) * len(months)


def _fault(text: Wording) -> ScheduleFault:
    return ScheduleFault("words", text)
