"""Who works on a run: an engine under a lease, by a fence that grows with each claim.

Whatever an engine writes about a run it writes with its fence (`store_fenced`). One that woke up late finds that its
fence is old, and leaves the run to whoever has it now.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from .models import Run

LEASE = timedelta(seconds=60)
OPEN_STATES = (Run.State.WAITING, Run.State.FETCHING, Run.State.SENDING)
# What nobody asked for by hand waits while its subscription is paused.
_BY_ITSELF = (Run.Cause.SCHEDULE, Run.Cause.CATCH_UP, Run.Cause.PUSH)


class RunLost(Exception):
    """The run is no longer this engine's: its lease ended and another one took it, or it was removed."""


def claim_run(now: datetime, under_way: Collection[str] = (), engine: str = "") -> Run | None:
    """The run that has been due longest and that nobody works on, under lease now; None when there is none. A run of
    `under_way` is this engine's already; `engine` is its name (blocking). Raises DatabaseError."""
    # Most looks find nothing: only who finds something takes the write lock, and looks once more under it.
    if not _due(now, under_way).exists():
        return None
    with transaction.atomic():
        run = _due(now, under_way).order_by("due_at", "pk").first()
        if run is None:
            return None
        Run.objects.filter(pk=run.pk).update(fence=F("fence") + 1, lease_until=now + LEASE, engine=engine)
        return Run.objects.select_related("subscription", "subscription__source", "report").get(pk=run.pk)


def renew_runs(held: Collection[tuple[str, int]], now: datetime) -> None:
    """Keep the leases of runs, given as (id, fence), that still are this engine's (blocking). Raises DatabaseError."""
    for run_id, fence in held:
        Run.objects.filter(pk=run_id, fence=fence, state__in=OPEN_STATES).update(lease_until=now + LEASE)


def give_back(runs: Iterable[Run], *, is_stop: bool = False) -> None:
    """End the leases of runs that still are this engine's, so that they are taken up at once; where the engine stops as
    it was asked to, a report that was being fetched is not counted as one that ended it (blocking). Raises
    DatabaseError."""
    for run in runs:
        mine = Run.objects.filter(pk=run.pk, fence=run.fence)
        with transaction.atomic():
            mine.filter(state__in=OPEN_STATES).update(lease_until=None)
            fetching = mine.filter(state=Run.State.FETCHING) if is_stop else Run.objects.none()
            for plan in fetching.values_list("plan", flat=True):
                fetching.update(plan={**plan, "lost": max(0, plan.get("lost", 0) - 1)})


def free_runs(engine: str) -> int:
    """End the leases that an earlier life of the engine of that name has left, so that nobody waits for them; their
    number (blocking). Raises DatabaseError."""
    return Run.objects.filter(state__in=OPEN_STATES, engine=engine).exclude(lease_until=None).update(lease_until=None)


def store_fenced(run: Run, **values: Any) -> None:
    """Change columns of a run that is this engine's, in the row and in `run` (blocking). Raises RunLost, and
    DatabaseError."""
    if not Run.objects.filter(pk=run.pk, fence=run.fence, state__in=OPEN_STATES).update(**values):
        raise RunLost(run.pk)
    for name, value in values.items():
        setattr(run, name, value)


def _due(now: datetime, under_way: Collection[str]) -> Any:
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    wanted = (
        Q(subscription__paused_at=None) | ~Q(state=Run.State.WAITING) | ~Q(cause__in=_BY_ITSELF)
        | Q(reopened__gt=0) | Q(stop_requested=True)
    )
    due = Run.objects.filter(free, wanted, state__in=OPEN_STATES, due_at__lte=now)
    return due.exclude(pk__in=list(under_way))
