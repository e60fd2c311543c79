"""What a reader of the next instants may wonder about: clock changes, months without such a day, days off."""

from collections.abc import Container, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from .instants import change_between, instant_of, is_shown
from .rule import NO_DAYS_OFF, Schedule
from .text import LANGUAGES, Language, in_words

_DAY = timedelta(days=1)
# Clock changes are half a year apart; nobody reads more than the next ones.
_AHEAD = timedelta(days=400)
MOST_LEFT_OUT = 3


def notes(
    schedule: Schedule, after: datetime, found: Sequence[datetime], language: str,
    days_off: Container[date] = NO_DAYS_OFF,
) -> list[str]:
    """Sentences in that language about the instants `found` after `after`."""
    if not found:
        return []
    spoken = LANGUAGES.get(language, LANGUAGES["en"])
    zone = ZoneInfo(schedule.zone)
    until = min(found[-1], after + _AHEAD)
    first, last = after.astimezone(zone).date(), until.astimezone(zone).date()
    return [
        *(_change_note(schedule, change, spoken) for change in islice(_changes(zone, after, until), 2)),
        *_missing_days(schedule, spoken),
        *_left_out(schedule, first, last, days_off, spoken),
    ]


def _changes(zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """The instants at which clocks change, ascending."""
    at = after.replace(microsecond=0)
    while at < until:
        later = at + _DAY
        if at.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            yield change_between(at, later, zone)
        at = later


def _change_note(schedule: Schedule, change: datetime, spoken: Language) -> str:
    zone = ZoneInfo(schedule.zone)
    shown, before = change.astimezone(zone), (change - timedelta(seconds=1)).astimezone(zone)
    forward = (shown.utcoffset() or timedelta()) > (before.utcoffset() or timedelta())
    pattern = spoken.patterns["forward" if forward else "back"]
    day = shown.date()
    return pattern.format(date=in_words(day, spoken), effect=_effect(schedule, day, zone, spoken))


def _effect(schedule: Schedule, day: date, zone: ZoneInfo, spoken: Language) -> str:
    if schedule.repeats:
        return spoken.patterns["paces"]
    if schedule.days.fits(day, NO_DAYS_OFF):
        for at in schedule.times:
            wall = datetime.combine(day, at, zone)
            if not is_shown(wall, wall.astimezone(UTC)):
                shown = instant_of(day, at, zone).astimezone(zone)
                return spoken.patterns["moved"].format(**{"from": f"{at:%H:%M}", "to": f"{shown:%H:%M}"})
            if wall.utcoffset() != wall.replace(fold=1).utcoffset():
                return spoken.patterns["doubled"].format(time=f"{at:%H:%M}")
    if len(schedule.times) > 1:
        return spoken.patterns["stay"]
    return spoken.patterns["stays"].format(time=f"{schedule.times[0]:%H:%M}")


def _missing_days(schedule: Schedule, spoken: Language) -> Iterator[str]:
    numbered = [day for day in schedule.days.month_days if day > 28]
    if numbered and len(schedule.days.months) != 1 and not schedule.days.either:
        yield spoken.patterns["missing days"].format(spoken.ordinal(numbered[-1]))


def _left_out(
    schedule: Schedule, first: date, last: date, days_off: Container[date], spoken: Language
) -> Iterator[str]:
    days = (first + number * _DAY for number in range((last - first).days + 1))
    named = (day for day in days if day in days_off and schedule.days.fits(day, days_off))
    told = [in_words(day, spoken) for day in islice(named, MOST_LEFT_OUT)]
    if told:
        yield spoken.patterns["left out"].format(spoken.listed(told))
