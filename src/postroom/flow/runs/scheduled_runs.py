"""Runs that have come due: an instant of a schedule gives one run, and the next instant moves in the same commit (S3).

Two that do this at once can't give an instant two runs: a row of (subscription, nominal instant) is there once. Whoever
dies in between has done nothing, and the next one finds the same instant due.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog
from django.db import transaction

from postroom.policy.schedule import corrected
from postroom.store.models import Subscription

from ..subscriptions.due_runs import UNREADABLE, begin_due
from ..subscriptions.schedules import days_off_of, schedule_of

# More wait for the next look, a moment later.
AT_ONCE = 100
# More would keep others from writing for too long.
IN_ONE_COMMIT = 20

_log = structlog.get_logger("postroom.schedule")


def begin_due_runs(now: datetime) -> int:
    """Runs for all instants up to `now`, or for those of them that the catch-up rule wants (S4); how many there are now
    that were not there before."""
    waiting = Subscription.objects.filter(next_at__lte=now, paused_at=None).order_by("next_at", "pk")
    ids = list(waiting.values_list("pk", flat=True)[:AT_ONCE])
    return sum(_begin(ids[first : first + IN_ONE_COMMIT], now) for first in range(0, len(ids), IN_ONE_COMMIT))


def correct_next_instants(now: datetime) -> int:
    """Move next instants that can't be the next ones by the present clock, as after it was set back (S2), or by rules
    of time zones that have changed; how many moved. None that ran already runs again."""
    rows = Subscription.objects.filter(paused_at=None).exclude(schedule={}).select_related("calendar")
    return sum(_correct(row, now) for row in list(rows))


def _begin(ids: Sequence[str], now: datetime) -> int:
    """The runs of these and their next instants, in one commit."""
    with transaction.atomic():
        rows = Subscription.objects.select_related("calendar").filter(pk__in=ids, paused_at=None, next_at__lte=now)
        return begin_due(list(rows), now)


def _correct(row: Subscription, now: datetime) -> int:
    try:
        schedule = schedule_of(row.schedule)
        next_at = corrected(schedule, row.next_at, now, days_off_of(row.calendar)) if schedule is not None else None
    except UNREADABLE as fault:
        _log.error("a schedule can't be read", subscription=row.pk, error=str(fault))
        return 0
    if next_at == row.next_at:
        return 0
    unmoved = Subscription.objects.filter(pk=row.pk, paused_at=None, next_at=row.next_at, schedule=row.schedule)
    return unmoved.update(next_at=next_at)
