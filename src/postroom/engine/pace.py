"""How many messages a server may still be given: its limits per minute and per day, counted over sliding windows."""

from collections import deque
from collections.abc import Iterable

from postroom.terms.server import Limits

MINUTE_S = 60.0
DAY_S = 86_400.0
# Counts closer together than this share an entry, so that a day of mail takes little memory.
SAME_S = 1.0


class Pace:
    """`now_s` is any clock that only goes forward."""

    def __init__(self) -> None:
        self._minute, self._day = _Window(MINUTE_S), _Window(DAY_S)
        self.knows_day = False

    def learn(self, now_s: float, earlier: Iterable[tuple[float, int]]) -> None:
        """What was sent within a day, by whatever process: (seconds ago, messages), oldest first."""
        self._day = _Window(DAY_S)
        for age_s, count in earlier:
            self._day.add(now_s - age_s, count)
        self.knows_day = True

    def count(self, now_s: float, messages: int) -> None:
        """So many messages are begun."""
        self._minute.add(now_s, messages)
        self._day.add(now_s, messages)

    def take_back(self, messages: int) -> None:
        """So many of those begun last were not tried after all."""
        self._minute.take_back(messages)
        self._day.take_back(messages)

    def is_day_spent(self, now_s: float, limits: Limits) -> bool:
        """Whether all that may be sent in a day has been begun."""
        return limits.messages_per_day is not None and self._day.total(now_s) >= limits.messages_per_day

    def left(self, now_s: float, limits: Limits) -> float:
        """How many messages may be begun now; infinite without limits."""
        left = float("inf")
        if limits.messages_per_minute is not None:
            left = min(left, limits.messages_per_minute - self._minute.total(now_s))
        if limits.messages_per_day is not None:
            left = min(left, limits.messages_per_day - self._day.total(now_s))
        return left


class _Window:
    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._counts: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, at_s: float, count: int) -> None:
        self.total(at_s)
        self._sum += count
        if self._counts and at_s - self._counts[-1][0] < SAME_S:
            since_s, before = self._counts.pop()
            self._counts.append((since_s, before + count))
        else:
            self._counts.append((at_s, count))

    def take_back(self, count: int) -> None:
        while count > 0 and self._counts:
            at_s, latest = self._counts.pop()
            self._sum -= min(latest, count)
            if latest > count:
                self._counts.append((at_s, latest - count))
            count -= latest

    def total(self, now_s: float) -> int:
        while self._counts and self._counts[0][0] <= now_s - self._length_s:
            self._sum -= self._counts.popleft()[1]
        return self._sum
