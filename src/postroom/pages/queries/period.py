"""The stretch of time that the overview shows, in bars that begin on the reader's clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Self

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from postroom.pages import words

DEFAULT = "day"


@dataclass(frozen=True, slots=True)
class _Kind:
    """`bars` of `step` each. Steps of hours and days go by the wall clock: a day on which clocks change has 23 or 25
    hours and is one bar all the same."""

    name: str | Promise
    per: str | Promise
    bars: int
    step: timedelta
    by_wall_clock: bool = False


_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_KINDS = {
    "hour": _Kind(gettext_lazy("1 hour"), gettext_lazy("per 5 minutes"), 12, timedelta(minutes=5)),
    "day": _Kind(gettext_lazy("24 hours"), gettext_lazy("per half hour"), 48, timedelta(minutes=30)),
    "week": _Kind(gettext_lazy("7 days"), gettext_lazy("per 3 hours"), 56, 3 * _HOUR, by_wall_clock=True),
    "month": _Kind(gettext_lazy("30 days"), gettext_lazy("per day"), 30, _DAY, by_wall_clock=True),
}


@dataclass(frozen=True)
class Period:
    """`bounds` are the instants at which bars begin, and the end of the last one; they are in the reader's zone."""

    slug: str
    bounds: tuple[datetime, ...]

    @classmethod
    def of(cls, slug: str, now: datetime | None = None) -> Self:
        """The period of that name that ends with the bar that `now` lies in; 24 hours for any other name."""
        slug = slug if slug in _KINDS else DEFAULT
        kind, local = _KINDS[slug], timezone.localtime(now)
        walk = _by_wall_clock if kind.by_wall_clock else _by_time
        return cls(slug, tuple(walk(local, kind.step, kind.bars)))

    @property
    def name(self) -> str:
        """ "24 hours"."""
        return str(_KINDS[self.slug].name)

    @property
    def per(self) -> str:
        """ "per half hour"."""
        return str(_KINDS[self.slug].per)

    @property
    def since(self) -> datetime:
        return self.bounds[0]

    @property
    def starts(self) -> Sequence[datetime]:
        return self.bounds[:-1]

    @cached_property
    def spans(self) -> list[str]:
        """What each bar covers: "14:00–14:30", "Thu 12 Mar, 15:00–18:00", "Thu 12 Mar"."""
        return [self._span(since, until) for since, until in pairwise(self.bounds)]

    def _span(self, since: datetime, until: datetime) -> str:
        if self.slug == "month":
            return words.weekday_and_date(since)
        clocks = f"{words.clock(since)}–{words.clock(until)}"
        if self.slug == "week":
            return f"{words.weekday_and_date(since)}, {clocks}"
        return clocks

    def labels(self) -> list[str]:
        """What stands below each bar, "" below most."""
        return [self._label(at) for at in self.starts]

    def _label(self, at: datetime) -> str:
        match self.slug:
            case "hour":
                return words.clock(at) if at.minute % 15 == 0 else ""
            case "day":
                return words.clock(at) if at.hour % 3 == 0 and at.minute < 30 else ""
            case "week":
                return words.weekday_and_date(at) if at.hour == 0 else ""
        return words.date(at) if at.weekday() == 0 else ""


def choices() -> list[tuple[str, str]]:
    """(slug, name) of each period."""
    return [(slug, str(kind.name)) for slug, kind in _KINDS.items()]


def midnight(at: datetime) -> datetime:
    """The beginning of the day in the reader's zone."""
    return _on_wall(timezone.localtime(at), 0)


def _by_time(local: datetime, step: timedelta, bars: int) -> list[datetime]:
    """Bounds a fixed time apart, the last one after `local`, on round minutes of the wall clock."""
    since_hour = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    # In UTC, for within a zone Python counts by the wall clock.
    end = local.astimezone(UTC) - since_hour % step + step
    return [timezone.localtime(end - n * step, local.tzinfo) for n in range(bars, -1, -1)]


def _by_wall_clock(local: datetime, step: timedelta, bars: int) -> list[datetime]:
    """Bounds on the wall clock of each day, the last one after `local`."""
    passed = timedelta(hours=local.hour, minutes=local.minute) // step + 1
    return [_on_wall(local, passed - n, step) for n in range(bars, -1, -1)]


def _on_wall(local: datetime, steps: int, step: timedelta = _DAY) -> datetime:
    """So many steps of the wall clock from the day's midnight; what clocks leave out lies where they go on."""
    on_wall = datetime(local.year, local.month, local.day, tzinfo=local.tzinfo) + steps * step
    return timezone.localtime(on_wall.astimezone(UTC), local.tzinfo)
