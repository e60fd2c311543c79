"""When a schedule is due, in UTC: a time that clocks skip comes at the next valid instant, one they show twice once."""

from collections.abc import Container, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from .rule import NO_DAYS_OFF, Schedule

# What has no instant for so long, such as 29 February on a Saturday within a calendar's gaps, has none.
HORIZON_YEARS = 50
_DAY = timedelta(days=1)
# No clock goes back by more: an instant of a day is never before this time of the day before.
_EARLIEST_BEFORE = time(20, 0)


def instants(
    schedule: Schedule, after: datetime, days_off: Container[date] = NO_DAYS_OFF, count: int = 5
) -> list[datetime]:
    """The next `count` instants later than `after`, ascending, in UTC; fewer where there are no more."""
    return list(islice(following(schedule, after, days_off), count))


def following(schedule: Schedule, after: datetime, days_off: Container[date] = NO_DAYS_OFF) -> Iterator[datetime]:
    """All instants later than `after`, ascending, in UTC, of the next 50 years."""
    zone = ZoneInfo(schedule.zone)
    waiting: set[datetime] = set()
    for day in _days(schedule, after.astimezone(zone).date() - _DAY, days_off):
        settled = instant_of(day - _DAY, _EARLIEST_BEFORE, zone)
        yield from sorted(at for at in waiting if at < settled)
        waiting = {at for at in waiting if at >= settled}
        waiting |= {at for at in instants_of_day(schedule, day) if at > after}
    yield from sorted(waiting)


def latest(
    schedule: Schedule, since: datetime, until: datetime, days_off: Container[date] = NO_DAYS_OFF, count: int = 1
) -> list[datetime]:
    """The newest `count` instants from `since` to `until`, both included, ascending."""
    zone = ZoneInfo(schedule.zone)
    first, found = since.astimezone(zone).date() - _DAY, set[datetime]()
    day = until.astimezone(zone).date() + _DAY
    spare_days = 0
    while day >= first and spare_days < 2:
        if schedule.days.fits(day, days_off) and day not in days_off:
            found |= {at for at in instants_of_day(schedule, day) if since <= at <= until}
        spare_days += len(found) >= count
        day -= _DAY
    return sorted(found)[-count:]


def instants_of_day(schedule: Schedule, day: date) -> set[datetime]:
    """The instants of one day of the zone, whether the rule names it or not."""
    zone = ZoneInfo(schedule.zone)
    found = {instant_of(day, at, zone) for at in schedule.times}
    if schedule.repeats:
        found |= {second for at in schedule.times if (second := _second_instant(day, at, zone)) is not None}
    return found


def _days(schedule: Schedule, first: date, days_off: Container[date]) -> Iterator[date]:
    last_year = min(first.year + HORIZON_YEARS, date.max.year - 1)
    day = first
    while day.year <= last_year:
        if schedule.days.months and day.month not in schedule.days.months:
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            continue
        if schedule.days.fits(day, days_off) and day not in days_off:
            yield day
        day += _DAY


def instant_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The first instant at which clocks show that time, or at which they have skipped it."""
    wall = datetime.combine(day, at, zone)
    instant = wall.astimezone(UTC)
    if is_shown(wall, instant):
        return instant
    return change_between(wall.replace(fold=1).astimezone(UTC), instant, zone)


def _second_instant(day: date, at: time, zone: ZoneInfo) -> datetime | None:
    """Where clocks show a time twice, the second instant."""
    wall = datetime.combine(day, at, zone)
    first, second = wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
    return second if second != first and is_shown(wall, first) else None


def is_shown(wall: datetime, instant: datetime) -> bool:
    """Whether clocks of its zone show a time at what is its instant; not where they skip it."""
    return instant.astimezone(wall.tzinfo).replace(tzinfo=None, fold=0) == wall.replace(tzinfo=None)


def change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant of the offset that `after` has and `before` has not, to the second."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
