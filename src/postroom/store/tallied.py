"""What the tally holds, by stretches of time and by cause.

Raw statements as in `queue_sqlite`: each reads a bounded range of the table's index, however many attempts there were.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import connection

from .dialect import time_mark, time_of, value_of, whole_seconds
from .models import DeliveryTally
from .tally import COARSE_KEPT, COARSE_S, EPOCH, FINE_KEPT, FINE_S, Ending

# Up to here the fine cells are sure to be there.
FINE_REACH = FINE_KEPT - timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Count:
    """So many attempts over a server ("" where none was made) ended so, within the stretch of that number."""

    stretch: int
    server_id: str
    ending: Ending
    attempts: int


@dataclass(frozen=True, slots=True)
class CauseCount:
    """Attempts that ended with a cause over a server; the first of them is counted in the cell from `first_at` on."""

    cause: str
    server_id: str
    ending: Ending
    attempts: int
    first_at: datetime


def counts(bounds: Sequence[datetime]) -> list[Count]:
    """What ended within each stretch from one bound to the next; at least two bounds, ascending.

    Counted in whole cells: of five minutes as far as these reach back, else of hours."""
    width_s = _width_s(bounds[0])
    stretches, times = _stretches(bounds, width_s)
    found = _rows(
        f"WITH {stretches} SELECT n, server_id, outcome, SUM(attempts)"
        " FROM stretch CROSS JOIN store_deliverytally"
        " WHERE width_s = %s AND starts_at >= since AND starts_at < until GROUP BY n, server_id, outcome",
        *times, width_s,
    )
    return [Count(n, server_id, Ending(ending), attempts) for n, server_id, ending, attempts in found]


def totals(since: datetime, until: datetime) -> dict[Ending, int]:
    """Attempts that ended from `since` until before `until`, in whole cells, by ending."""
    sums: Counter[Ending] = Counter()
    for count in counts((since, until)):
        sums[count.ending] += count.attempts
    return dict(sums)


def sent_since(server_ids: Collection[str], since: datetime) -> dict[str, int]:
    """Deliveries that each of the servers took since then (to five minutes); those without any are left out."""
    found = counts((since, datetime.max.replace(tzinfo=UTC)))
    return {c.server_id: c.attempts for c in found if c.ending is Ending.SENT and c.server_id in server_ids}


def causes_since(since: datetime) -> list[CauseCount]:
    """Attempts since then that did not end well, by cause, server and ending; the most frequent first."""
    width_s = _width_s(since)
    found = _rows(
        "SELECT cause, server_id, outcome, SUM(attempts), MIN(starts_at) FROM store_deliverytally"
        " WHERE width_s = %s AND starts_at >= %s AND cause <> '' GROUP BY cause, server_id, outcome ORDER BY 4 DESC",
        width_s, value_of(_start(since, width_s)),
    )
    return [
        CauseCount(cause, server_id, Ending(ending), attempts, time_of(first))
        for cause, server_id, ending, attempts, first in found
    ]


def forget_old(now: datetime) -> None:
    """Delete the cells that are kept no longer."""
    for width_s, kept in ((FINE_S, FINE_KEPT), (COARSE_S, COARSE_KEPT)):
        DeliveryTally.objects.filter(width_s=width_s, starts_at__lt=now - kept).delete()


def _width_s(since: datetime) -> int:
    return FINE_S if datetime.now(UTC) - since < FINE_REACH else COARSE_S


def _start(at: datetime, width_s: int) -> datetime:
    """The start of the cell that `at` lies in."""
    return EPOCH + timedelta(seconds=(at - EPOCH) // timedelta(seconds=width_s) * width_s)


def _rows(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Depth:
    """The deepest sample of a stretch: when, how many deliveries waited, and how long the oldest of them had."""

    stretch: int
    at: datetime
    deliveries: int
    oldest_s: float


def depths(bounds: Sequence[datetime]) -> list[Depth]:
    """The deepest sample within each stretch from one bound to the next; stretches without samples are left out."""
    stretches, times = _stretches(bounds, 1)
    found = _rows(
        f"WITH {stretches} SELECT n, at, depth, oldest_s FROM (SELECT n, at, queued + deferred AS depth, oldest_s,"
        " row_number() OVER (PARTITION BY n ORDER BY queued + deferred DESC, at) AS place"
        " FROM stretch CROSS JOIN store_queuesample WHERE at >= since AND at < until) AS sample WHERE place = 1"
        " ORDER BY n",
        *times,
    )
    return [Depth(n, time_of(at), depth, oldest) for n, at, depth, oldest in found]


def thin_samples(until: datetime) -> None:
    """Of the samples before then keep the deepest of each half hour."""
    at = value_of(until)
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM store_queuesample WHERE at < %s AND at NOT IN (SELECT at FROM (SELECT at, row_number() OVER"
            f" (PARTITION BY {whole_seconds('at')} / 1800 ORDER BY queued + deferred DESC, at) AS place"
            " FROM store_queuesample WHERE at < %s) AS sample WHERE place = 1)",
            (at, at),
        )


def _stretches(bounds: Sequence[datetime], width_s: int) -> tuple[str, list[Any]]:
    """A table of the stretches for a WITH, and its values."""
    mark, pairs = time_mark(), list(pairwise(bounds))
    each = ", ".join(f"({n}, {mark}, {mark})" for n in range(len(pairs)))
    times = [value_of(_start(bound, width_s)) for pair in pairs for bound in pair]
    return f"stretch(n, since, until) AS (VALUES {each})", times
