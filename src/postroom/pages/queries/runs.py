"""Runs of a subscription as their pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext_lazy

from postroom.flow.runs.run_log import told_line
from postroom.store.models import OutcomeNotice, Run, Subscription

CAUSES = {
    "schedule": gettext_lazy("by the schedule"),
    "catch-up": gettext_lazy("caught up"),
    "manual": gettext_lazy("by hand"),
    "push": gettext_lazy("its report was pushed"),
    "retry": gettext_lazy("tried again"),
}

# Who asks for a run is stored as it is named in the audit trail; here it is found for translation.
_ASKED_BY = (gettext_lazy("command line"),)


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run of the list. `at` is its instant of the schedule, else when it was asked for; `problem` is why it did not
    succeed."""

    row: Run
    at: datetime
    cause: str
    problem: str

    @property
    def to_queue(self) -> int:
        return self.row.planned - self.row.left_out

    @property
    def tries_again_at(self) -> datetime | None:
        """When a run that failed is tried again by itself; None for others, and where that time has passed, as while
        its subscription is paused."""
        is_to_come = self.row.state == Run.State.WAITING and self.row.try_number and self.row.due_at > timezone.now()
        return self.row.due_at if is_to_come else None


def run_lines(subscription: Subscription, before: str, count: int) -> Sequence[RunLine]:
    """The newest runs, those of before an id."""
    found = subscription.runs.order_by("-pk")
    if before:
        found = found.filter(pk__lt=before)
    return [line_of(row) for row in found[:count]]


def ended_unnoticed(row: Run) -> bool:
    """Whether it ended in a way for which its subscription names nobody."""
    if row.state not in OutcomeNotice.Outcome.values:
        return False
    notice = OutcomeNotice.objects.filter(subscription=row.subscription_id, outcome=row.state).first()
    return notice is None or not notice.addresses


def line_of(row: Run) -> RunLine:
    problem = told_line(row.problem) if row.problem else ""
    return RunLine(row, row.nominal_at or row.created_at, str(CAUSES.get(row.cause, row.cause)), problem)
