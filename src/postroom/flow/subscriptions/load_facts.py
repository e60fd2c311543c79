"""What a forecast of the load is made of: servers with their limits, their pace and what else leaves over them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from postroom.policy.planner import Pace, Road
from postroom.store.models import Attempt, DeliveryTally, Run, SmtpServer
from postroom.store.tally import COARSE_S, FINE_S, Ending
from postroom.terms.outcome import DeliveryState

# As `engine.lane` does without a limit.
SESSIONS = 4
# Deliveries that tell the pace, and the size up to which they tell how long a message takes rather than its octets.
_MEASURED = 600
_SMALL = 65_536
# A server that took two messages within this time was busy.
_BUSY_S = 2.0
_HISTORY_DAYS = 7
_QUARTER_S = 900

Timing = tuple[datetime, float, int]


def roads(servers: Sequence[SmtpServer], now: datetime) -> list[Road]:
    """The servers as a forecast sees them (blocking). Raises DatabaseError."""
    timings, used, others = _timings(), _used(now), _others(now)
    found = []
    for server in servers:
        limits = server.typed_settings.limits
        sessions = limits.connections or SESSIONS
        found.append(Road(
            server.pk, server.name, sessions, pace_of(timings[server.pk], sessions),
            limits.messages_per_minute, limits.messages_per_day, used[server.pk], others[server.pk],
        ))
    return found


def pace_of(timings: Sequence[Timing], sessions: int) -> Pace:
    """From when deliveries ended, how many seconds each took, and its octets; a guess without any.

    A delivery that waited for others of its session says more than it took itself: where many ended one after the
    other, what lay between them tells better."""
    small = [seconds for _, seconds, octets in timings if octets <= _SMALL]
    if not small:
        return Pace()
    ends = sorted(ended_at for ended_at, _, _ in timings)
    gaps = [(later - at).total_seconds() for at, later in pairwise(ends)]
    busy = [gap for gap in gaps if gap < _BUSY_S]
    message_s = min(median(small), median(busy) * sessions if len(busy) >= 20 else float("inf"))
    rates = [octets / max(seconds - message_s, 0.01) for _, seconds, octets in timings if octets > 4 * _SMALL]
    octets_per_s = median(rates) if rates else Pace().octets_per_s
    return Pace(max(message_s, 0.001), max(octets_per_s, 1_000.0), len(timings))


def _timings() -> dict[str, list[Timing]]:
    """The newest deliveries by server."""
    rows = Attempt.objects.filter(outcome=DeliveryState.SENT, ended_at__isnull=False).order_by("-pk")
    names = ("server_id", "started_at", "ended_at", "delivery__message__content_size")
    found: dict[str, list[Timing]] = defaultdict(list)
    for server_id, started_at, ended_at, octets in rows.values_list(*names)[:_MEASURED]:
        if server_id and ended_at:
            found[server_id].append((ended_at, max(0.0, (ended_at - started_at).total_seconds()), octets))
    return found


def _used(now: datetime) -> dict[str, dict[int, int]]:
    """What servers took in the last day, by quarter of an hour."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for server_id, starts_at, attempts in _cells(FINE_S, now - timedelta(days=1)):
        quarter = int(starts_at.timestamp()) // _QUARTER_S
        found[server_id][quarter] = found[server_id].get(quarter, 0) + attempts
    return found


def _others(now: datetime) -> dict[str, tuple[float, ...]]:
    """What servers took in the last week beside the runs of subscriptions, in messages a minute by hour of the day."""
    since = now - timedelta(days=_HISTORY_DAYS)
    sums: dict[str, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for server_id, starts_at, attempts in _cells(COARSE_S, since):
        sums[server_id][starts_at] += attempts
    runs = Run.objects.filter(started_at__gte=since, queued__gt=0).values_list(
        "subscription__server_id", "started_at", "queued"
    )
    for server_id, started_at, queued in runs:
        hour = started_at.replace(minute=0, second=0, microsecond=0) if started_at else since
        for each in [server_id] if server_id else list(sums):
            if hour in sums[each]:
                sums[each][hour] = max(0, sums[each][hour] - queued)
    return defaultdict(lambda: (0.0,) * 24, {server_id: _by_hour(cells) for server_id, cells in sums.items()})


def _by_hour(cells: dict[datetime, int]) -> tuple[float, ...]:
    hours = [0] * 24
    for starts_at, attempts in cells.items():
        hours[starts_at.hour] += attempts
    return tuple(count / _HISTORY_DAYS / 60 for count in hours)


def _cells(width_s: int, since: datetime) -> Iterable[tuple[str, datetime, int]]:
    rows = DeliveryTally.objects.filter(width_s=width_s, starts_at__gte=since, outcome=Ending.SENT)
    return rows.values_list("server_id", "starts_at", "attempts")
