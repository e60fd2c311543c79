"""How fast a lane may go: the server's own limits, its request to slow down, this engine's share of its connections.

The rates themselves are counted in the database, in the transaction of each claim, for all engines together
(`store/rates.py`); here is what one engine has to know between two claims.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from postroom.policy.throttle import Throttle, asks_for_less, is_throttle
from postroom.smtp.text import printable
from postroom.terms.envelope import RecipientResult
from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply
from postroom.terms.server import Limits

# The rate at which messages left is measured over so many seconds.
SEEN_S = 10.0
REPLY_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Held:
    """A limit lets nothing through until then; `by` is its API name."""

    by: str
    until: datetime


class Allowance:
    """Of one lane. `now_s` is a clock that only goes forward, `now` the wall clock."""

    def __init__(
        self, now: Callable[[], datetime] = lambda: datetime.now(UTC), now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._now_s, self._now = now_s, now
        self._throttle = Throttle()
        self._seen: deque[tuple[float, int]] = deque()  # since when, and how many were begun in the second from then on
        self._held: Held | None = None
        self._held_until_s = 0.0
        self._slots, self._slots_until_s = 0, 0.0
        self.slowed_at: datetime | None = None
        self.slowed_reply = ""

    def limits(self, own: Limits) -> Limits:
        """What a claim is to count by."""
        return self._throttle.limited(own)

    def sessions(self, allowed: int, *, is_shared: bool = False) -> int:
        """How many sessions may be open, of those that the server's own limit allows. `is_shared`: other engines open
        them, too, and this one has none but its share."""
        self._regain(allowed)
        most = self._throttle.at_most(allowed)
        if not is_shared:
            return most
        return min(most, self._slots) if self._now_s() < self._slots_until_s else 0

    def share(self, slots: int, until_s: float) -> None:
        """This engine's share of the server's connections, until somebody else may have it."""
        self._slots, self._slots_until_s = slots, until_s

    def claimed(self, messages: int, held: Held | None) -> None:
        """A claim began so many messages; a limit holds the next one."""
        now_s = self._now_s()
        if self._seen and now_s < self._seen[-1][0] + 1.0:
            self._seen[-1] = self._seen[-1][0], self._seen[-1][1] + messages
        else:
            self._seen.append((now_s, messages))
        self._forget_old(now_s)
        self._held = held
        if held is not None:
            self._held_until_s = now_s + (held.until - self._now()) / timedelta(seconds=1)

    def given_back(self) -> None:
        """Something that was begun was not tried: what held the next may hold it no longer."""
        self._held = None

    def results(self, results: Iterable[RecipientResult], sessions: int) -> bool:
        """A transaction ended while so many sessions were open; whether the server is slowed down from now on."""
        asking = next((result.reply for result in results if is_throttle(result)), None)
        return asking is not None and self._slow(asking, sessions)

    def refused(self, reply: Reply | None, stage: Stage, sessions: int) -> bool:
        """No session came about; whether the server is slowed down from now on."""
        return reply is not None and asks_for_less(reply, stage) and self._slow(reply, sessions)

    def forget(self) -> None:
        """The server was changed: it is not held against it that it asked for less before."""
        self._throttle, self.slowed_at, self.slowed_reply = Throttle(), None, ""

    @property
    def held(self) -> Held | None:
        """The limit that lets nothing through just now."""
        return self._held if self._held is not None and self._held_left_s(self._held) > 0 else None

    @property
    def is_day_spent(self) -> bool:
        """Whether the server has taken all that it may take in a day."""
        return self.held is not None and self.held.by == "messages_per_day"

    @property
    def rate(self) -> float | None:
        """Messages a minute that the server gets at most, while it is slowed down."""
        return self._throttle.per_minute

    def next_look_s(self) -> float | None:
        """Seconds until it is worth to look again, where something is held or slowed; of what came to its end before
        anybody asked it is told once."""
        waits = []
        if self._held is not None:
            waits.append(self._held_left_s(self._held))
            self._held = self.held
        if (next_s := self._throttle.next_s()) is not None:
            waits.append(next_s - self._now_s())
        return max(0.0, min(waits)) if waits else None

    def _held_left_s(self, held: Held) -> float:
        """By the clock that comes to the end first: the wall clock may be set back, the other stands while we sleep."""
        return min((held.until - self._now()) / timedelta(seconds=1), self._held_until_s - self._now_s())

    def _slow(self, reply: Reply, sessions: int) -> bool:
        is_first = self._throttle.asked_s is None
        self._throttle = self._throttle.slowed(self._now_s(), max(1, sessions), self._seen_per_minute())
        self.slowed_at, self.slowed_reply = self._now(), printable(str(reply), REPLY_CHARACTERS)
        return is_first

    def _regain(self, allowed: int) -> None:
        self._throttle = self._throttle.regained(self._now_s(), allowed)
        if self._throttle.asked_s is None:
            self.slowed_at, self.slowed_reply = None, ""

    def _seen_per_minute(self) -> float:
        self._forget_old(self._now_s())
        return sum(messages for _, messages in self._seen) * 60.0 / SEEN_S

    def _forget_old(self, now_s: float) -> None:
        while self._seen and self._seen[0][0] < now_s - SEEN_S:
            self._seen.popleft()
