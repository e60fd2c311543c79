"""Where to spread: which load, moved by how much, lets the others arrive soonest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .plan import Arrival, Plan, planned
from .road import Load, Road

# What has left within this time is in time for whoever reads it.
IN_TIME = timedelta(minutes=15)
MOST_MOVES = 3
_MOVED_BY = tuple(timedelta(minutes=minutes) for minutes in (-15, 15, -30, 30, -45, 45, -60, 60, -90, 90, -120, 120))
# How many of the largest and of the latest loads are tried, and what a move has to save to be worth the trouble.
_TRIED = 4
_WORTH = 0.2
# Each trial is a forecast of its own: with very many loads there are fewer of them.
_LOADS_FORECAST, _FEWEST_TRIALS = 20_000, 8


@dataclass(frozen=True, slots=True)
class Move:
    """Run `load` at `to` instead: all that is late over its server is then, together, late by `after` instead of
    `before`."""

    load: Load
    to: datetime
    before: timedelta
    after: timedelta


def moves(plan: Plan, loads: Sequence[Load], roads: Sequence[Road], begin: datetime, hours: int) -> list[Move]:
    """The best moves, each on top of those before it; none where everything is in time."""
    found: list[Move] = []
    current = list(loads)
    while len(found) < MOST_MOVES and (worst := _worst_road(plan)) is not None:
        best = _best(current, [road for road in roads if road.id == worst], plan, begin, hours)
        if best is None:
            break
        found.append(best)
        current = [replace(load, at=best.to) if load == best.load else load for load in current]
        plan = planned(current, roads, begin, hours)
    return found


def _best(loads: list[Load], roads: list[Road], plan: Plan, begin: datetime, hours: int) -> Move | None:
    of_road = [load for load in loads if roads and load.road == roads[0].id]
    before = _lateness(plan.arrivals, plan.end, roads[0].id) if roads else timedelta()
    tried = _tried(plan, roads[0].id if roads else "")
    trials = [(load, load.at + by) for by in _MOVED_BY for load in tried if load.at + by >= begin]
    found = [
        Move(load, to, before, _after(of_road, load, to, roads, begin, hours))
        for load, to in trials[: max(_FEWEST_TRIALS, _LOADS_FORECAST // max(1, len(of_road)))]
    ]
    best = min(found, key=lambda move: (move.after, abs(move.to - move.load.at), move.to > move.load.at), default=None)
    return best if best is not None and best.after <= before * (1 - _WORTH) else None


def _after(
    loads: list[Load], moved: Load, to: datetime, roads: list[Road], begin: datetime, hours: int
) -> timedelta:
    shifted = [replace(load, at=to) if load == moved else load for load in loads]
    plan = planned(shifted, roads, begin, hours)
    return _lateness(plan.arrivals, plan.end, moved.road)


def _tried(plan: Plan, road: str) -> list[Load]:
    """The largest, which hold up others, and the latest."""
    concerned = _concerned(plan, road)
    largest = sorted(concerned, key=lambda arrival: -arrival.load.messages)[:_TRIED]
    latest = sorted(concerned, key=lambda arrival: arrival.late(plan.end), reverse=True)[:_TRIED]
    return list(dict.fromkeys(arrival.load for arrival in (*largest, *latest)))


def _concerned(plan: Plan, road: str) -> list[Arrival]:
    """What may be moved: loads that are late, and those that leave while one of these waits."""
    late = [arrival for arrival in plan.arrivals if arrival.load.road == road and arrival.late(plan.end) > IN_TIME]
    spans = [(arrival.load.at - IN_TIME, arrival.last_at or plan.end) for arrival in late]
    return [
        arrival for arrival in plan.arrivals
        if arrival.load.key and arrival.load.road == road
        and any(begin <= arrival.load.at <= end for begin, end in spans)
    ]


def _worst_road(plan: Plan) -> str | None:
    roads = {arrival.load.road for arrival in plan.arrivals if arrival.first_at is not None}
    late = {road: _lateness(plan.arrivals, plan.end, road) for road in roads}
    worst = max(late, key=lambda road: late[road], default=None)
    return worst if worst is not None and late[worst] else None


def _lateness(arrivals: Sequence[Arrival], end: datetime, road: str) -> timedelta:
    """All that is beyond IN_TIME, over all loads of a road."""
    waited = (arrival.late(end) - IN_TIME for arrival in arrivals if arrival.load.road == road)
    return sum((late for late in waited if late > timedelta()), timedelta())
