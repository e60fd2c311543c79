"""How far a run is, when its last message will probably be queued, and what became of each recipient."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from postroom.store.models import Run, RunRecipient

# With fewer messages an estimate is a guess.
_LEAST = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """Recipients that were `planned`, that are `queued`, and that are `left_out`; `ends_at` is when the last message is
    probably queued, None where that can't be told yet or is over."""

    planned: int
    queued: int
    left_out: int
    ends_at: datetime | None = None

    @property
    def to_queue(self) -> int:
        """How many messages there will be in all."""
        return self.planned - self.left_out


@dataclass(frozen=True, slots=True)
class RecipientLine:
    """One recipient of a run. `state` is that of its delivery, "" while it has none."""

    position: int
    address: str
    place: str
    left_out: str
    message_id: str
    state: str


def progress(run: Run, now: datetime) -> Progress:
    """How far the run is."""
    told = Progress(run.planned, run.queued, run.left_out)
    since = run.plan.get("fixed_at")
    left = told.to_queue - told.queued
    if run.state != Run.State.SENDING or since is None or told.queued < _LEAST or left <= 0:
        return told
    each_s = (now - datetime.fromisoformat(since)).total_seconds() / told.queued
    return Progress(told.planned, told.queued, told.left_out, now + timedelta(seconds=each_s * left))


def standing(run: Run) -> dict[str, int]:
    """How many deliveries of the run are in each state (blocking)."""
    return {str(state): int(count) for state, count in _asked(
        "SELECT d.state, count(*) FROM store_runrecipient r JOIN store_delivery d ON d.message_id = r.message_id"
        " WHERE r.run_id = %s AND r.message_id <> '' GROUP BY d.state", run.pk
    )}


def run_recipients(run: Run, after: int, limit: int) -> list[RecipientLine]:
    """Recipients behind that position, in order (blocking)."""
    rows = list(RunRecipient.objects.filter(run=run, position__gt=after).order_by("position")[:limit])
    if not rows:
        return []
    states = dict(_asked(
        "SELECT r.position, min(d.state) FROM store_runrecipient r JOIN store_delivery d ON d.message_id = r.message_id"
        " WHERE r.run_id = %s AND r.position BETWEEN %s AND %s AND r.message_id <> '' GROUP BY r.position",
        run.pk, rows[0].position, rows[-1].position,
    ))
    return [
        RecipientLine(
            row.position, row.address, str(row.place), row.left_out, row.message_id, states.get(row.position, "")
        )
        for row in rows
    ]


def _asked(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
