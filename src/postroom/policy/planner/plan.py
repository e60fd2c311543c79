"""A forecast minute by minute: what is due waits in its order, and leaves as fast as the road lets it.

It is a forecast, not a promise: retries, failovers and what servers answer are not in it. Within a minute the sessions
have their seconds, a limit per minute its messages, and a limit per day what a sliding day leaves of it."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from .road import Load, Road

MINUTE = timedelta(minutes=1)
_DAY_QUARTERS = 96
_HELD_BELOW = 1e-9


class Bound(StrEnum):
    """What a load waited for longest."""

    NOTHING = ""
    SESSIONS = "sessions"
    MINUTE = "messages_per_minute"
    DAY = "messages_per_day"


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the first and the last message of a load will have been handed over; `last_at` is None where that is not
    within the forecast. `bound` is what held it."""

    load: Load
    first_at: datetime | None
    last_at: datetime | None
    bound: Bound

    def late(self, end: datetime) -> timedelta:
        """From its instant until its last message has left, or until the end of the forecast."""
        return (self.last_at or end) - self.load.at


@dataclass(frozen=True, slots=True)
class Plan:
    """Arrivals by instant and name; `leaving` are messages of loads by hour of the forecast; `end` is its end."""

    arrivals: Sequence[Arrival]
    leaving: Sequence[int]
    end: datetime


@dataclass(slots=True)
class _Waiting:
    load: Load
    left: float
    first_at: datetime | None = None
    held_before: Counter[Bound] = field(default_factory=Counter)


def planned(loads: Iterable[Load], roads: Iterable[Road], begin: datetime, hours: int) -> Plan:
    """The forecast from `begin` on. Loads whose road is not there never leave."""
    by_road: dict[str, list[Load]] = {}
    for load in sorted(loads, key=lambda load: (load.at, load.name, load.key)):
        by_road.setdefault(load.road, []).append(load)
    leaving, arrivals = [0.0] * hours, list[Arrival]()
    known = {road.id: road for road in roads}
    for road_id, of_road in by_road.items():
        if road_id in known:
            arrivals += _Forecast(known[road_id], of_road, begin, leaving).run()
        else:
            arrivals += [Arrival(load, None, None, Bound.NOTHING) for load in of_road]
    arrivals.sort(key=lambda arrival: (arrival.load.at, arrival.load.name))
    return Plan(arrivals, [round(count) for count in leaving], begin + timedelta(hours=hours))


class _Minute:
    """What one minute has room for: messages within the limits, and seconds of the sessions."""

    def __init__(self, road: Road, bound: Bound, room: float, others: float) -> None:
        self._road, self._bound = road, bound
        self._room, self._whole_room = room, max(room, 1.0)
        self._whole_s = max(1.0, road.sessions * 60.0 - others * road.pace.seconds(0))
        self._left_s = self._whole_s

    @property
    def is_open(self) -> bool:
        return self._room > _HELD_BELOW and self._left_s > _HELD_BELOW

    @property
    def held_by(self) -> Bound:
        return self._bound if self._room <= _HELD_BELOW else Bound.SESSIONS

    @property
    def passed(self) -> float:
        """The share of the minute that is over: a limit per minute is spread evenly over it."""
        rate = 1 - max(0.0, self._room) / self._whole_room if self._bound is Bound.MINUTE else 0.0
        return max(1 - self._left_s / self._whole_s, rate if self._road.per_minute is not None else 0.0)

    def take(self, wanted: float, octets: int) -> float:
        each_s = self._road.pace.seconds(octets)
        count = min(wanted, self._room, self._left_s / each_s)
        self._room -= count
        self._left_s -= count * each_s
        return count


class _Forecast:
    """One road over the time of the forecast."""

    def __init__(self, road: Road, loads: Sequence[Load], begin: datetime, leaving: list[float]) -> None:
        self._road, self._begin, self._leaving = road, begin, leaving
        self._coming, self._queue = deque(loads), deque[_Waiting]()
        self._quarters: dict[int, float] = dict(road.used or {})
        self._in_day = sum(self._quarters.values())
        self._arrivals: list[Arrival] = []
        # Minutes in which the road was held, by what held it.
        self._held: Counter[Bound] = Counter()

    def run(self) -> list[Arrival]:
        for minute in range(len(self._leaving) * 60):
            at = self._begin + minute * MINUTE
            while self._coming and self._coming[0].at < at + MINUTE:
                self._queue.append(_Waiting(self._coming[0], self._coming[0].messages, None, self._held.copy()))
                self._coming.popleft()
            if self._queue or self._coming:
                self._leave(at, minute // 60)
            if not self._queue and not self._coming:
                break
        self._arrivals += [self._arrival(waiting, None) for waiting in self._queue]
        self._arrivals += [Arrival(load, None, None, Bound.NOTHING) for load in self._coming]
        return self._arrivals

    def _leave(self, at: datetime, hour: int) -> None:
        """What leaves within the minute from `at` on."""
        others = self._road.others[at.astimezone(UTC).hour]
        bound, room = self._room(at)
        minute = _Minute(self._road, bound, room - others, others)
        while self._queue and minute.is_open:
            waiting = self._queue[0]
            if waiting.first_at is None:
                waiting.first_at = max(at + MINUTE * minute.passed, waiting.load.at)
            count = minute.take(waiting.left, waiting.load.octets)
            waiting.left -= count
            self._count(at, count, hour)
            if waiting.left > _HELD_BELOW:
                break
            self._arrivals.append(self._arrival(waiting, max(at + MINUTE * minute.passed, waiting.load.at)))
            self._queue.popleft()
        if self._queue:
            self._held[minute.held_by] += 1

    def _arrival(self, waiting: _Waiting, last_at: datetime | None) -> Arrival:
        held = self._held - waiting.held_before
        bound = max(held, key=lambda name: held[name], default=Bound.NOTHING)
        return Arrival(waiting.load, waiting.first_at, last_at, bound)

    def _room(self, at: datetime) -> tuple[Bound, float]:
        """Messages that the limits leave to this minute, and which of them is the narrower."""
        of_minute = float(self._road.per_minute or float("inf"))
        if self._road.per_day is None:
            return Bound.MINUTE, of_minute
        self._forget_quarters(at)
        of_day = max(0.0, self._road.per_day - self._in_day)
        return (Bound.DAY, of_day) if of_day < of_minute else (Bound.MINUTE, of_minute)

    def _count(self, at: datetime, count: float, hour: int) -> None:
        self._leaving[hour] += count
        if self._road.per_day is not None:
            quarter = int(at.timestamp()) // 900
            self._quarters[quarter] = self._quarters.get(quarter, 0) + count
            self._in_day += count

    def _forget_quarters(self, at: datetime) -> None:
        oldest = int(at.timestamp()) // 900 - _DAY_QUARTERS
        for quarter in [quarter for quarter in self._quarters if quarter < oldest]:
            self._in_day -= self._quarters.pop(quarter)
