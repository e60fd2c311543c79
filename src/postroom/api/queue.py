"""The queue, server by server."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router

from postroom.flow.delivery.queue_state import queue_state
from postroom.flow.delivery.queue_values import queue_values

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
    return {"servers": [queue_values(queue) for queue in queue_state()]}
