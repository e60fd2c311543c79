"""How many messages a server may be given now: GCRA for a minute, a sliding window of counts for a day. No clock here.

A rate per minute is spread evenly: 30 a minute is one every two seconds. Up to a hundredth of a minute's messages may
go at once, and then the others are spaced so that no window of a minute ever holds more than the limit; at least 99 %
of it is used. State is one number, the theoretical arrival time of the next message, in microseconds of the epoch.

A limit per day is counted by quarters of an hour. A quarter is let go of when its end is a day old, so that no window
of a day ever holds more than the limit.

A clock may be set back, and what was counted then lies ahead: it counts as of now, and what lies further ahead than any
limit can put it as never, so that no server stands still until the clock has caught up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from postroom.terms.server import Limits

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
DAY_US = 24 * 60 * MINUTE_US
QUARTER_US = 15 * MINUTE_US
# No limit puts the next message further ahead: one a minute puts it a minute ahead.
MOST_AHEAD_US = 2 * MINUTE_US
# The share of a minute's messages that may leave at once.
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Room:
    """`messages` may be begun now, None without a bound. When there are none: the next may at `next_us`, held by the
    limit named `by`."""

    messages: int | None = None
    next_us: int | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a server was given: `arrival_us` the theoretical arrival time of the next message, `quarters` the messages
    of a day by the number of their quarter of an hour since the epoch."""

    arrival_us: int = 0
    quarters: Mapping[int, int] = ()  # type: ignore[assignment]

    @classmethod
    def read(cls, arrival_us: int, quarters: str) -> Self:
        """From a row: `quarters` as `written` gives them. Raises ValueError."""
        return cls(arrival_us, {int(a): int(b) for a, _, b in (pair.partition(":") for pair in quarters.split())})

    def written(self) -> str:
        return " ".join(f"{quarter}:{count}" for quarter, count in sorted(dict(self.quarters).items()) if count > 0)

    def room(self, limits: Limits, now_us: int) -> Room:
        """What the limits still allow."""
        narrowest = Room()
        if limits.messages_per_minute is not None:
            narrowest = _minute_room(self.arrival_us, limits.messages_per_minute, now_us)
        if limits.messages_per_day is not None:
            day = _day_room(dict(self.quarters), limits.messages_per_day, now_us)
            if narrowest.messages is None or (day.messages or 0) < narrowest.messages:
                return day
            if not narrowest.messages and not day.messages:
                return max(narrowest, day, key=lambda room: room.next_us or 0)
        return narrowest

    def plus(self, messages: int, limits: Limits, now_us: int) -> "Spent":
        """After so many more were begun now."""
        arrival_us, quarters = self.arrival_us, _of_the_day(dict(self.quarters), now_us)
        if limits.messages_per_minute is not None:
            arrival_us = _begin_us(arrival_us, now_us) + messages * _interval_us(limits.messages_per_minute)
        if limits.messages_per_day is not None:
            quarters[now_us // QUARTER_US] = quarters.get(now_us // QUARTER_US, 0) + messages
        return Spent(arrival_us, quarters)

    def minus(self, messages: int, limits: Limits) -> "Spent":
        """After so many of those begun last were not tried after all."""
        arrival_us, quarters, left = self.arrival_us, dict(self.quarters), messages
        if limits.messages_per_minute is not None:
            arrival_us -= messages * _interval_us(limits.messages_per_minute)
        for quarter in sorted(quarters, reverse=True):
            taken = min(quarters[quarter], left)
            quarters[quarter], left = quarters[quarter] - taken, left - taken
        return Spent(arrival_us, quarters)

    def learning(self, sent: Iterable[tuple[int, int]], now_us: int) -> "Spent":
        """With what is known to have left: (time in microseconds, messages). What was counted already counts once."""
        known: dict[int, int] = {}
        for at_us, messages in sent:
            known[at_us // QUARTER_US] = known.get(at_us // QUARTER_US, 0) + messages
        quarters = dict(self.quarters)
        for quarter, messages in known.items():
            quarters[quarter] = max(quarters.get(quarter, 0), messages)
        return Spent(self.arrival_us, _of_the_day(quarters, now_us))

    def used_in_day(self, now_us: int) -> int:
        """Messages that count against a limit per day."""
        return sum(_of_the_day(dict(self.quarters), now_us).values())


def has_rate(limits: Limits | None) -> bool:
    """Whether a rate is to be counted at all."""
    return limits is not None and (limits.messages_per_minute is not None or limits.messages_per_day is not None)


def _burst(per_minute: int) -> int:
    return max(1, per_minute // AT_ONCE)


def _interval_us(per_minute: int) -> int:
    """With a burst of b, a window of a minute holds b and one more for each whole interval: n in all."""
    return -(-MINUTE_US // (per_minute - _burst(per_minute) + 1))


def _begin_us(arrival_us: int, now_us: int) -> int:
    """When the next message may begin, but for the burst."""
    return arrival_us if now_us < arrival_us <= now_us + MOST_AHEAD_US else now_us


def _minute_room(arrival_us: int, per_minute: int, now_us: int) -> Room:
    interval_us = _interval_us(per_minute)
    tolerance_us = (_burst(per_minute) - 1) * interval_us
    begin_us = _begin_us(arrival_us, now_us)
    messages = max(0, (now_us + tolerance_us - begin_us) // interval_us + 1)
    return Room(messages) if messages else Room(0, begin_us - tolerance_us, "messages_per_minute")


def _day_room(quarters: dict[int, int], per_day: int, now_us: int) -> Room:
    counted = sorted(_of_the_day(quarters, now_us).items())
    used = sum(count for _, count in counted)
    if used < per_day:
        return Room(per_day - used)
    for quarter, count in counted:
        used -= count
        if used < per_day:
            return Room(0, _end_us(quarter) + DAY_US, "messages_per_day")
    return Room(0, now_us + DAY_US, "messages_per_day")


def _of_the_day(quarters: dict[int, int], now_us: int) -> dict[int, int]:
    """What counts, those that lie ahead with the present one."""
    present, counted = now_us // QUARTER_US, dict[int, int]()
    for quarter, count in quarters.items():
        if count > 0 and now_us - DAY_US < _end_us(quarter) <= _end_us(present) + DAY_US:
            counted[min(quarter, present)] = counted.get(min(quarter, present), 0) + count
    return counted


def _end_us(quarter: int) -> int:
    return (quarter + 1) * QUARTER_US
