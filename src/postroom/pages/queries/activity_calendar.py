"""The calendar of the activity log: a month of the reader's days, and which of them had trouble."""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.pages import words
from postroom.store.activity_days import DayMark, day_marks

from .activity_filters import Asked


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """`query` leads to the day, "" where it has nothing; `said` is read out after its number."""

    day: date
    query: str
    mark: str
    said: str
    is_chosen: bool
    is_today: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """Weeks from Monday; None stands for days of other months. `earlier` and `later` are queries of the months beside,
    `later` "" when it has not begun."""

    month: date
    weekdays: Sequence[tuple[str, str]]
    weeks: Sequence[Sequence[CalendarDay | None]]
    earlier: str
    later: str


def calendar_of(asked: Asked, folder: Path) -> Calendar:
    first = asked.month
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    marks = day_marks(folder, first, last, timezone.get_current_timezone())
    weeks = [
        [_day(asked, day, marks.get(day)) if day.month == first.month else None for day in week]
        for week in calendar.Calendar().monthdatescalendar(first.year, first.month)
    ]
    monday = datetime(2024, 1, 1)  # noqa: DTZ001  any Monday, for its name
    names = [monday + timedelta(days=n) for n in range(7)]
    today = timezone.localdate()
    return Calendar(
        month=first,
        weekdays=[(date_format(day, "D")[:2], date_format(day, "l")) for day in names],
        weeks=weeks,
        earlier=asked.query(month=(first - timedelta(days=1)).strftime("%Y-%m")),
        later=asked.query(month=(last + timedelta(days=1)).strftime("%Y-%m")) if last < today else "",
    )


def _day(asked: Asked, day: date, mark: DayMark | None) -> CalendarDay:
    today = timezone.localdate()
    is_open = mark is not None or day in (today, asked.day)
    return CalendarDay(
        day=day,
        query=asked.query(day=day.isoformat(), live="") if is_open else "",
        mark="" if mark is None else "error" if mark.errors else "warning" if mark.warnings else "",
        said=_said(mark),
        is_chosen=day == asked.day,
        is_today=day == today,
    )


def _said(mark: DayMark | None) -> str:
    if mark is None:
        return _("no entries")
    if mark.entries is None:
        return _("not counted yet")
    entries = ngettext("%(n)s entry", "%(n)s entries", mark.entries) % {"n": words.number(mark.entries)}
    errors = ngettext("%(n)s error", "%(n)s errors", mark.errors) % {"n": words.number(mark.errors)}
    warnings = ngettext("%(n)s warning", "%(n)s warnings", mark.warnings) % {"n": words.number(mark.warnings)}
    return ", ".join([errors] * bool(mark.errors) + [warnings] * bool(mark.warnings) + [entries])
