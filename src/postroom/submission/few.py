"""So many log lines in a minute and no more, whatever strangers do (B11)."""

import time
from collections.abc import Callable

_MINUTE_S = 60.0


class Few:
    """Counts what is said within a minute."""

    def __init__(self, most: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._most, self._now_s = most, now_s
        self._said = self._unsaid = 0
        self._ends_s = float("-inf")

    def left_out(self) -> int | None:
        """How many were left out before this one, which may be said; None when it may not."""
        now_s = self._now_s()
        if now_s >= self._ends_s:
            self._ends_s, self._said = now_s + _MINUTE_S, 0
        if self._said >= self._most:
            self._unsaid += 1
            return None
        self._said += 1
        unsaid, self._unsaid = self._unsaid, 0
        return unsaid
