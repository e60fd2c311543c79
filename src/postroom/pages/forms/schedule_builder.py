"""Days and times chosen one by one, and the words that say the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any

from django.http import QueryDict
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _

from postroom.policy.schedule import Days, Schedule, described
from postroom.policy.schedule.rule import LAST

_WORKDAYS = (0, 1, 2, 3, 4)
_COUNTS = {"nth-1": 1, "nth-2": 2, "nth-3": 3, "nth-4": 4, "nth-last": LAST}


@dataclass(frozen=True, slots=True)
class Chosen:
    """`every` is day, workday, week, month, workday-last, or a count of weekdays in their month; `day` -1 the last."""

    every: str = "week"
    time: str = "08:00"
    again: str = ""
    weekdays: Sequence[int] = (0,)
    day: int = 1


def builder_context(chosen: Chosen | None = None) -> dict[str, Any]:
    """For the part schedule_builder."""
    return {"builder": {
        "ways": (
            ("day", _("Every day")), ("workday", _("Monday to Friday")), ("week", _("Every week")),
            ("month", _("Every month on a day")), ("nth-1", _("Every month on the first …")),
            ("nth-2", _("Every month on the second …")), ("nth-3", _("Every month on the third …")),
            ("nth-4", _("Every month on the fourth …")), ("nth-last", _("Every month on the last …")),
            ("workday-last", _("Every month on the last working day")),
        ),
        "weekdays": [(day, name) for day, name in WEEKDAYS.items()],
        "month_days": [*((day, str(day)) for day in range(1, 32)), (LAST, _("Last day"))],
        "chosen": chosen or Chosen(),
    }}


def chosen_of(query: QueryDict) -> Chosen:
    """What is none of the choices is as at the beginning."""
    weekdays = [day for day in range(7) if str(day) in query.getlist("build_weekday")]
    days = {str(day): day for day in (*range(1, 32), LAST)}
    return Chosen(
        query.get("build_every", "week"), query.get("build_time", "")[:5], query.get("build_again", "")[:5],
        weekdays, days.get(query.get("build_day", ""), 1),
    )


def words_of(chosen: Chosen, language: str) -> str:
    """In that language, as `policy.schedule` reads them again; "" without a time."""
    times = sorted({at for text in (chosen.time, chosen.again) if (at := _time(text)) is not None})
    return described(Schedule("UTC", _days(chosen), tuple(times)), language) if times else ""


def _days(chosen: Chosen) -> Days:
    weekdays = tuple(chosen.weekdays) or (0,)
    if chosen.every in _COUNTS:
        return Days(nth=tuple((_COUNTS[chosen.every], day) for day in weekdays))
    ways = {
        "day": Days(), "workday": Days(weekdays=_WORKDAYS), "month": Days(month_days=(chosen.day,)),
        "workday-last": Days(workdays=(LAST,)),
    }
    return ways.get(chosen.every, Days(weekdays=weekdays if len(weekdays) < 7 else ()))


def _time(text: str) -> time | None:
    try:
        return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None) if text else None
    except ValueError:
        return None
