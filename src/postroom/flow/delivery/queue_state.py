"""The queue, server by server: what waits, what holds it and until when, and how far the server's limits are used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from postroom.policy.rate import Spent
from postroom.store.ids import id_at
from postroom.store.lane_states import FRESH
from postroom.store.models import Attempt, Delivery, LaneState, SendRate, SmtpServer
from postroom.store.queue_depth import waiting_for
from postroom.store.rates import micros_of, read_spent
from postroom.terms.outcome import DeliveryState
from postroom.terms.server import Limits

from ..servers.server_order import servers_in_order

# What an engine said so lately still holds, though the moment it named is over.
JUST_TOLD = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class ServerQueue:
    """What is meant for a server; None stands for deliveries that have none yet.

    `due` may leave now, `later` waits for its next try or for its time, `due_since` is when the oldest of the former
    became due. `held_by` is the limit that holds what is due, and lets the next through at `held_until`, None for at
    once. `rate` is what a server that asked for less gets in a minute at most. `used_minute` and `used_day` count
    against its limits, None without one."""

    server: SmtpServer | None
    limits: Limits
    due: int
    later: int
    sending: int
    held: int
    due_since: datetime | None
    next_at: datetime | None
    sessions: int = 0
    allowed: int = 0
    held_by: str = ""
    held_until: datetime | None = None
    cooldown_until: datetime | None = None
    slowed_at: datetime | None = None
    slowed_reply: str = ""
    rate: float | None = None
    used_minute: int | None = None
    used_day: int | None = None

    @property
    def waiting(self) -> int:
        return self.due + self.later


def queue_state() -> list[ServerQueue]:
    """All servers in their order; last what has no server, where there is something."""
    now = timezone.now()
    lanes: dict[str, list[LaneState]] = {}
    for lane in LaneState.objects.filter(at__gt=now - FRESH):
        lanes.setdefault(lane.server_id, []).append(lane)
    spent = {row.server_id: read_spent((row.arrival_us, row.quarters)) for row in SendRate.objects.all()}
    beside = _by_server(DeliveryState.SENDING), _by_server(DeliveryState.HELD)
    rows: list[ServerQueue] = []
    for server in (*servers_in_order(), None):
        row = _server_queue(server, lanes, spent, beside, now)
        if server is not None or row.waiting or row.sending or row.held:
            rows.append(row)
    return rows


def _server_queue(
    server: SmtpServer | None,
    lanes: dict[str, list[LaneState]],
    spent: dict[str, Spent],
    beside: tuple[dict[str | None, int], dict[str | None, int]],
    now: datetime,
) -> ServerQueue:
    id_ = server.pk if server is not None else None
    limits = server.typed_settings.limits if server is not None else Limits()
    waiting = waiting_for(id_, now)
    own = lanes.get(id_ or "", [])
    held = max((lane for lane in own if _holds(lane, now)), key=lambda lane: lane.held_until or now, default=None)
    slowed = next((lane for lane in own if lane.slowed_at is not None), None)
    rates = [lane.rate for lane in own if lane.rate is not None]
    used = spent.get(id_ or "", Spent())
    return ServerQueue(
        server, limits, waiting.due, waiting.later, beside[0].get(id_, 0), beside[1].get(id_, 0), waiting.due_since,
        waiting.next_at,
        sessions=sum(lane.sessions for lane in own),
        allowed=sum(lane.allowed for lane in own),
        held_by=held.held_by if held is not None else "",
        held_until=held.held_until if held is not None and _is_ahead(held.held_until, now) else None,
        cooldown_until=_latest([lane.cooldown_until for lane in own], now),
        slowed_at=slowed.slowed_at if slowed is not None else None,
        slowed_reply=slowed.slowed_reply if slowed is not None else "",
        rate=sum(rates) if rates else None,
        used_minute=None if server is None or limits.messages_per_minute is None else _begun(server.pk, now),
        used_day=None if limits.messages_per_day is None else used.used_in_day(micros_of(now)),
    )


def _holds(lane: LaneState, now: datetime) -> bool:
    """Whether a limit lets nothing through now. One that lets a message through every half second holds the others."""
    return lane.held_by != "" and (_is_ahead(lane.held_until, now) or lane.at > now - JUST_TOLD)


def _begun(server_id: str, now: datetime) -> int:
    """Messages that were begun within a minute. Ids of attempts sort by the time of their claim."""
    since = now - timedelta(minutes=1)
    begun = Attempt.objects.filter(pk__gte=id_at(since), started_at__gt=since, server_id=server_id)
    return begun.values("delivery__message_id").distinct().count()


def _by_server(state: DeliveryState) -> dict[str | None, int]:
    return dict(Delivery.objects.filter(state=state).order_by().values_list("server_id").annotate(number=Count("*")))


def _latest(times: Sequence[datetime | None], now: datetime) -> datetime | None:
    return max((at for at in times if _is_ahead(at, now) and at is not None), default=None)


def _is_ahead(at: datetime | None, now: datetime) -> bool:
    return at is not None and at > now
