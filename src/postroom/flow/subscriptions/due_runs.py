"""The runs of a subscription's instants that have come, as its schedule and its catch-up rule want them (S3, S4)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from postroom.policy.schedule import CatchUp, Due, ScheduleFault, due
from postroom.store.models import Run, Subscription
from postroom.terms.log_line import Level, with_line
from postroom.terms.wording import worded

from .schedules import days_off_of, schedule_of

# A row that somebody damaged must not stop the others (D9).
UNREADABLE = (ScheduleFault, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

_log = structlog.get_logger("postroom.schedule")


def begin_due(rows: Sequence[Subscription], now: datetime) -> int:
    """Runs for what is due of these, and their next instants; how many runs there are now that were not there before.
    Call it within a transaction (blocking)."""
    found = [(row, _due(row, row.next_at, now)) for row in rows if row.next_at is not None]
    wanted = [(row, at, each) for row, each in found for at in (*each.caught_up, *each.on_time)]
    there = set(
        Run.objects.filter(subscription__in=rows, nominal_at__in=[at for _, at, _ in wanted])
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
    except UNREADABLE as fault:
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
