"""Holiday calendars as their pages show them: who uses them, and the days that come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Count
from django.utils import timezone

from postroom.pages.countries import countries, country_words
from postroom.policy.schedule import DaysOff, ScheduleFault, days_off
from postroom.store.models import HolidayCalendar


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """A calendar of the list. `next_day` is the next day off, None where there is none this year or the next."""

    calendar: HolidayCalendar
    countries: str
    own_days: int
    used: int
    next_day: date | None
    next_name: str


def calendar_rows() -> list[CalendarRow]:
    return [_row(row) for row in HolidayCalendar.objects.annotate(used=Count("subscriptions"))]


def coming_days(calendar: HolidayCalendar, years: int = 2) -> Sequence[tuple[date, str]]:
    """Days off from today to the end of next year, each with the holiday's name."""
    today = timezone.localdate()
    found = _days_off(calendar)
    days = [day for year in range(today.year, today.year + years) for day in found.in_year(year)] if found else []
    return [(day, name) for day, name in days if day >= today]


def country_choices() -> list[tuple[str, str]]:
    """Codes and names of the countries whose public holidays are known, by name."""
    return sorted(countries().items(), key=lambda pair: pair[1])


def _row(calendar: HolidayCalendar) -> CalendarRow:
    coming = coming_days(calendar)
    day, name = coming[0] if coming else (None, "")
    used = int(getattr(calendar, "used", 0))
    return CalendarRow(calendar, ", ".join(map(country_words, calendar.countries)), len(calendar.days), used, day, name)


def _days_off(calendar: HolidayCalendar) -> DaysOff | None:
    """None where a country of the calendar is known no longer."""
    try:
        return days_off(calendar.countries, calendar.days)
    except ScheduleFault:
        return None
