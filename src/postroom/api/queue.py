"""The queue, server by server."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router

from postroom.flow.delivery.queue_state import ServerQueue, queue_state

from .access import READING
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Queue"])


class UseOut(Strict):
    """How much of a limit is used."""

    used: int
    limit: int


class ServerQueueOut(Strict):
    """What is meant for a server; `server` is null for deliveries that have none yet.

    `due` may leave now, `later` waits for its next try or its time. `held_by` is the limit that lets nothing through
    until `held_until`; until `cooldown_until` a failing server is left alone; since `slowed_at` a server that asked for
    less gets at most `rate` messages a minute."""

    server: str | None
    name: str
    state: str
    due: int
    due_since: datetime | None
    later: int
    next_at: datetime | None
    sending: int
    held: int
    sessions: int
    sessions_allowed: int
    held_by: str
    held_until: datetime | None
    cooldown_until: datetime | None
    slowed_at: datetime | None
    rate: float | None
    messages_per_minute: UseOut | None
    messages_per_day: UseOut | None


class QueueOut(Strict):
    """The queue."""

    servers: list[ServerQueueOut]


@router.get("/queue", auth=READING, response=QueueOut, summary="What waits for each server, and what holds it")
def get_queue(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"servers": [_json(queue) for queue in queue_state()]}


def _json(queue: ServerQueue) -> dict[str, Any]:
    server, limits = queue.server, queue.limits
    return {
        "server": server.pk if server else None,
        "name": server.name if server else "",
        "state": server.state if server else "",
        "due": queue.due, "due_since": queue.due_since, "later": queue.later, "next_at": queue.next_at,
        "sending": queue.sending, "held": queue.held,
        "sessions": queue.sessions, "sessions_allowed": queue.allowed,
        "held_by": queue.held_by, "held_until": queue.held_until, "cooldown_until": queue.cooldown_until,
        "slowed_at": queue.slowed_at, "rate": queue.rate,
        "messages_per_minute": _use(queue.used_minute, limits.messages_per_minute),
        "messages_per_day": _use(queue.used_day, limits.messages_per_day),
    }


def _use(used: int | None, limit: int | None) -> dict[str, int] | None:
    return None if used is None or limit is None else {"used": used, "limit": limit}
