"""When a subscription is due next, as its schedule, its calendar and a pause say."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from postroom.policy.schedule import ScheduleFault
from postroom.store.models import Subscription
from postroom.terms.problem import FieldError

from ..instance.refusals import SettingsRefused
from .due_runs import begin_due
from .schedules import checked, next_instant


def set_schedule(row: Subscription, values: Mapping[str, Any], problems: list[FieldError]) -> None:
    """Take over the schedule where it is given."""
    if "schedule" in values:
        try:
            row.schedule = checked(values["schedule"] or {})
        except SettingsRefused as refused:
            problems += refused.problems


def moved_next_at(row: Subscription, now: datetime) -> datetime | None:
    """The next instant after a change of schedule or calendar. What was due before begins in the same commit, as it was
    planned (blocking)."""
    begin_due(list(Subscription.objects.select_related("calendar").filter(pk=row.pk, next_at__lte=now)), now)
    return next_at(row, now)


def next_at(row: Subscription, now: datetime) -> datetime | None:
    """The next nominal instant later than `now`; None while it is paused, and where there is none."""
    if row.paused_at is not None:
        return None
    try:
        return next_instant(row.schedule, row.calendar, now)
    except ScheduleFault:
        # It was checked when it was saved; the page tells what no longer reads, and nothing runs meanwhile.
        return None
