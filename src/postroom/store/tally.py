"""Counts of what deliveries came to, so that no page reads every attempt.

The queue counts in the commit that settles: a cell for each five minutes, server, outcome and cause, and another for
each hour, which lasts longer; `tallied.py` reads them. Totals since the beginning, by how long attempts took, are for
monitoring; `totals.py` reads those.
"""

import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from postroom.terms.outcome import DeliveryState, Outcome, Stage

from .queue import Settlement

FINE_S = 300
COARSE_S = 3_600
WIDTHS_S = (FINE_S, COARSE_S)
# Over a week, so that the same weekday last week is counted from midnight in every time zone.
FINE_KEPT = timedelta(days=9)
COARSE_KEPT = timedelta(days=400)
# How long attempts take, in seconds: a bucket holds those up to its bound that are above the one before, and one more
# holds those above all.
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
UNTIMED = -1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FINE = timedelta(seconds=FINE_S)
_SENT = "sent"
_TRANSACTION = (Stage.SENDER, Stage.RECIPIENT, Stage.MESSAGE)
_ADD = (
    "INSERT INTO store_deliverytally (width_s, starts_at, server_id, outcome, cause, attempts)"
    " VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (width_s, starts_at, server_id, outcome, cause) DO UPDATE SET attempts = attempts + excluded.attempts"
)
_ADD_TOTAL = (
    "INSERT INTO store_attempttotal (server_id, outcome, cause, bucket, attempts, seconds) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (server_id, outcome, cause, bucket)"
    " DO UPDATE SET attempts = attempts + excluded.attempts, seconds = seconds + excluded.seconds"
)


class Ending(StrEnum):
    """How a cell counts an attempt. FAULT is one deferred because the server as a whole could not be used; HELD one
    whose content or envelope can't be sent as it is."""

    SENT = "sent"
    DEFERRED = "deferred"
    FAULT = "fault"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    HELD = "held"


class Tally:
    """What the settlements of one group add; a `Gathering` of the group writer."""

    def __init__(self) -> None:
        self._cells: Counter[tuple[int, str, str, str]] = Counter()
        self._totals: dict[tuple[str, str, str, int], list[float]] = {}

    def begin(self) -> None:
        self._cells.clear()
        self._totals.clear()

    def count(self, taken: Iterable[Settlement]) -> None:
        """Settlements that the queue took."""
        for s in taken:
            ending = _SENT if s.outcome == _SENT else ending_of(s.outcome, s.state, s.stage, moved=bool(s.moved_to))
            self._cells[(s.at - EPOCH) // _FINE, s.through, ending, s.cause] += 1
            bucket = UNTIMED if s.seconds is None else bisect_left(BOUNDS_S, s.seconds)
            total = self._totals.setdefault((s.through, ending, s.cause, bucket), [0, 0.0])
            total[0] += 1
            total[1] += s.seconds or 0.0

    def finish(self, connection: sqlite3.Connection) -> None:
        rows = [(width_s, start_text(starts_s), *rest) for width_s, starts_s, *rest in self.cells()]
        connection.executemany(_ADD, rows)
        connection.executemany(_ADD_TOTAL, self.totals())

    def cells(self) -> list[tuple[int, int, str, str, str, int]]:
        """(width in seconds, start in seconds since 1970, server, ending, cause, attempts) of what was counted."""
        cells: Counter[tuple[int, int, str, str, str]] = Counter()
        for (number, server_id, ending, cause), attempts in self._cells.items():
            for width_s in WIDTHS_S:
                starts_s = number * FINE_S // width_s * width_s
                cells[width_s, starts_s, server_id, ending, cause] += attempts
        return [(*cell, attempts) for cell, attempts in cells.items()]

    def totals(self) -> list[tuple[str, str, str, int, int, float]]:
        """(server, ending, cause, bucket, attempts, seconds in all) of what was counted."""
        return [(*key, int(attempts), seconds) for key, (attempts, seconds) in self._totals.items()]


def ending_of(outcome: str, state: str, stage: str, *, moved: bool) -> str:
    """How to count an attempt of that outcome and stage, whose delivery is then in `state` and was moved at once or
    not. Without an outcome nothing was tried: the delivery was given up."""
    if outcome == Outcome.DEFERRED and (moved or stage not in _TRANSACTION):
        return Ending.FAULT.value
    if outcome == Outcome.FAILED and state in (DeliveryState.HELD, DeliveryState.DEFERRED):
        return Ending(state).value
    return Ending(outcome or state).value


def start_text(starts_s: int) -> str:
    """Seconds since 1970 as Django's SQLite backend stores a time."""
    return str(datetime.fromtimestamp(starts_s, UTC).replace(tzinfo=None))
