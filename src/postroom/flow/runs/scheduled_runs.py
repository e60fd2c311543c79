"""Runs that have come due: an instant of a schedule gives one run, and the next instant moves in the same commit (S3).

Two that do this at once can't give an instant two runs: a row of (subscription, nominal instant) is there once. Whoever
dies in between has done nothing, and the next one finds the same instant due.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from postroom.policy.schedule import CatchUp, Due, ScheduleFault, corrected, due
from postroom.store.models import Run, Subscription
from postroom.terms.wording import worded

from ..subscriptions.schedules import days_off_of, schedule_of
from .run_log import Level, with_line

# More wait for the next look, a moment later.
AT_ONCE = 100
# More would keep others from writing for too long.
IN_ONE_COMMIT = 20
# A row that somebody damaged must not stop the others (D9).
_UNREADABLE = (ScheduleFault, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

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
        found = [(row, _due(row, row.next_at, now)) for row in rows if row.next_at is not None]
        wanted = [(row, at, each) for row, each in found for at in (*each.caught_up, *each.on_time)]
        there = set(
            Run.objects.filter(subscription__in=ids, nominal_at__in=[at for _, at, _ in wanted])
            .values_list("subscription_id", "nominal_at")
        )
        runs = [_run(row, at, each, now) for row, at, each in wanted if (row.pk, at) not in there]
        Run.objects.bulk_create(runs)
        for row, each in found:
            Subscription.objects.filter(pk=row.pk).update(next_at=each.next_at)
    return len(runs)


def _due(row: Subscription, next_at: datetime, now: datetime) -> Due:
    """A schedule that no longer reads, as when a time zone is gone, runs what was due and then waits for its owner."""
    try:
        schedule = schedule_of(row.schedule)
        if schedule is None:
            return Due((), (), None, dropped=False)
        within = timedelta(seconds=row.catch_up_within_s)
        return due(schedule, next_at, now, CatchUp(row.catch_up), within, days_off_of(row.calendar))
    except _UNREADABLE as fault:
        _log.error("a schedule can't be read", subscription=row.pk, error=str(fault))
        return Due((next_at,), (), None, dropped=False)


def _run(row: Subscription, at: datetime, found: Due, now: datetime) -> Run:
    missed = at in found.caught_up
    run = Run(
        subscription=row, nominal_at=at, cause=Run.Cause.CATCH_UP if missed else Run.Cause.SCHEDULE, due_at=now
    )
    if missed:
        when = f"{at:%Y-%m-%d %H:%M} UTC"
        text = worded("This run was due at {at} and is made up for: nothing ran at that time.", at=when)
        run.log = with_line(run.log, now, text, Level.WARNING)
    if found.dropped and at == max((*found.caught_up, *found.on_time)):
        run.log = with_line(run.log, now, worded("Others were missed and are not made up for."), Level.WARNING)
    if found.next_at is None:
        run.log = with_line(run.log, now, worded("The schedule names no time after this one."), Level.WARNING)
    return run


def _correct(row: Subscription, now: datetime) -> int:
    try:
        schedule = schedule_of(row.schedule)
        next_at = corrected(schedule, row.next_at, now, days_off_of(row.calendar)) if schedule is not None else None
    except _UNREADABLE as fault:
        _log.error("a schedule can't be read", subscription=row.pk, error=str(fault))
        return 0
    if next_at == row.next_at:
        return 0
    unmoved = Subscription.objects.filter(pk=row.pk, paused_at=None, next_at=row.next_at, schedule=row.schedule)
    return unmoved.update(next_at=next_at)
