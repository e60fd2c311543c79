"""What the activity log was asked for: read from the address, and said again in links."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Self

from django.http import QueryDict
from django.utils import timezone

from postroom.store.activity_reader import Spot
from postroom.store.activity_shape import Criteria

VALUES = 40
TEXT_CHARACTERS = 200
FACETS = ("severity", "kind", "outcome", "server", "cause", "recipient")


@dataclass(frozen=True, slots=True)
class Asked:
    """Each value checked; what can't be understood asks nothing. `day` is one of the reader's time zone, though the log
    has a file for each UTC day. `month` is the first day of the month that the calendar shows."""

    day: date
    month: date
    criteria: Criteria = field(default_factory=Criteria)
    before: Spot | None = None
    each: bool = False
    live: bool = True

    @classmethod
    def of(cls, query: QueryDict) -> Self:
        today = timezone.localdate()
        day = _date(query.get("day", "")) or today
        chosen = {name: frozenset(_values(query.getlist(name))) for name in FACETS}
        chosen["recipient"] = frozenset(value.lower() for value in chosen["recipient"])
        text = " ".join(query.get("text", "").split())[:TEXT_CHARACTERS]
        return cls(
            day=day,
            month=_date(query.get("month", "") + "-01") or day.replace(day=1),
            criteria=Criteria(**chosen, text=text),
            before=Spot.parse(query.get("before", "")),
            each=query.get("each") == "1",
            live=query.get("live") != "no",
        )

    @property
    def is_today(self) -> bool:
        return self.day == timezone.localdate()

    @property
    def is_filtered(self) -> bool:
        return self.criteria != Criteria()

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        return start_of(self.day), start_of(self.day + timedelta(days=1))

    def query(self, **changes: str | Iterable[str] | None) -> str:
        """The address's query with some values replaced; paging begins anew unless `before` is given."""
        values: dict[str, str | Iterable[str] | None] = {"day": self.day.isoformat()}
        values |= {name: sorted(getattr(self.criteria, name)) for name in FACETS}
        values |= {"text": self.criteria.text, "each": "1" if self.each else "", "live": "" if self.live else "no"}
        made = QueryDict(mutable=True)
        for name, value in (values | changes).items():
            made.setlist(name, [each for each in ([value] if isinstance(value, str) else value or ()) if each])
        return made.urlencode()

    def without(self, name: str, value: str) -> str:
        """The query without one chosen value."""
        return self.query(**{name: sorted(getattr(self.criteria, name) - {value})})

    @property
    def live_again(self) -> str:
        return self.query(live="")

    @property
    def paused(self) -> str:
        return self.query(live="no")

    @property
    def cleared(self) -> str:
        return QueryDict(f"day={self.day.isoformat()}").urlencode()


def start_of(day: date) -> datetime:
    """When a day of the reader begins."""
    return timezone.make_aware(datetime.combine(day, time()))


def _values(given: list[str]) -> list[str]:
    return [value.strip()[:500] for value in given[:VALUES] if value.strip()]


def _date(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None
