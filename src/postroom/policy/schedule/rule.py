"""What a schedule is: days, wall-clock times, and the zone whose clocks they are read on."""

from calendar import monthrange
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import date, time, timedelta

from postroom.terms.wording import Wording

# Where nothing says which week or day counting begins with, it begins with this Monday.
COUNTED_FROM = date(1970, 1, 5)
LAST = -1
NO_DAYS_OFF: Container[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Days:
    """Which days. Weekdays are 0 (Monday) to 6, months 1 to 12; empty is any.

    `month_days` (1 to 31), `nth` (the n-th of a weekday in its month) and `workdays` (the n-th working day of the
    month, Monday to Friday and none of the days off) count from 1, and -1 is the last. A day fits where one of these
    three fits, or where none is given. With `either`, cron's own rule, a weekday is as good as they are. No day before
    `counted_from` fits; every_weeks and every_days are counted from it."""

    weekdays: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    nth: tuple[tuple[int, int], ...] = ()
    workdays: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    every_weeks: int = 1
    every_days: int = 1
    counted_from: date = COUNTED_FROM
    either: bool = False

    @property
    def by_month(self) -> bool:
        return bool(self.month_days or self.nth or self.workdays)

    def fits(self, day: date, days_off: Container[date]) -> bool:
        """Whether the rule names that day, be it a day off or not."""
        if self.months and day.month not in self.months:
            return False
        if day < self.counted_from:
            return False
        if (day - self.counted_from).days % self.every_days:
            return False
        if (_monday_of(day) - _monday_of(self.counted_from)).days // 7 % self.every_weeks:
            return False
        if self.either:
            return day.weekday() in self.weekdays or self._fits_month(day, days_off)
        if self.weekdays and day.weekday() not in self.weekdays:
            return False
        return not self.by_month or self._fits_month(day, days_off)

    def _fits_month(self, day: date, days_off: Container[date]) -> bool:
        length = monthrange(day.year, day.month)[1]
        if day.day in self.month_days or (day.day == length and LAST in self.month_days):
            return True
        if any(day.weekday() == weekday and _is_nth(day.day, n, length) for n, weekday in self.nth):
            return True
        return any(day == _workday(day, n, length, days_off) for n in self.workdays)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`times` are ascending wall-clock times of the IANA zone. A schedule that `repeats`, at intervals of an hour or
    less, keeps its pace through an hour that clocks show twice; any other runs once in it."""

    zone: str
    days: Days
    times: tuple[time, ...]
    repeats: bool = False
    cron: str = field(default="", compare=False)


class ScheduleFault(Exception):
    """Words, a cron expression or a zone that can't be taken. `text` says why and what to write instead."""

    def __init__(self, field: str, text: Wording) -> None:
        super().__init__(text)
        self.field, self.text = field, text


def _is_nth(day: int, n: int, length: int) -> bool:
    return day + 7 > length if n == LAST else (day + 6) // 7 == n


def _workday(day: date, n: int, length: int, days_off: Container[date]) -> date | None:
    """The n-th working day of the month of `day`, None where it has fewer."""
    first = day.replace(day=1)
    order = range(length) if n > 0 else range(length - 1, -1, -1)
    workdays = (
        at for at in (first + timedelta(days=number) for number in order) if at.weekday() < 5 and at not in days_off
    )
    return next((at for position, at in enumerate(workdays, 1) if position == abs(n)), None)


def _monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())
